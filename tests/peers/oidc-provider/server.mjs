// A certified OpenID provider as a test peer. `node server.mjs ['{"access_ttl_s": 10, …}']`
//
// When it is ready it prints one JSON line on stdout: the issuer and the registered clients. Everything else
// goes to stderr. It ends with its stdin, so that a parent that was killed never leaves it behind, and on SIGTERM.
//
// Signing in and consenting happen by themselves: an HTTP client that keeps cookies and follows redirects from the
// authorization endpoint ends at the redirect URI.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

// stdout belongs to the ready line.
console.log = console.info = console.error;
const { default: Provider } = await import('oidc-provider');
const { setStorage } = await import('oidc-provider/lib/adapters/memory_adapter.js');

const DEFAULTS = {
  port: 0, // 0: any free one
  access_ttl_s: 10,
  refresh_ttl_s: 86_400, // from the last rotation on, so it is an idle limit
  rotate: true, // false: the refresh token stays the same for ever
  refresh_tokens: 'always', // 'offline_access': only for openid, offline_access and prompt=consent together, silently
  pkce_required: true,
  redirect_uris: [], // further ones
};
const ACCOUNT_ID = 'vesta';

const settings = readSettings(process.argv.slice(2));
const clients = registerClients();
// The default store forgets the oldest of a thousand entries; a forgotten token would look revoked.
setStorage(new Map());

const server = createServer();
server.on('error', (error) => fail(`cannot listen on port ${settings.port}: ${error.message}`));
server.listen(settings.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = createProvider(issuer);
  const stats = watch(provider);
  server.on('request', route(provider, stats));
  process.stdout.write(`${JSON.stringify({ issuer, clients })}\n`);
});

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));

function readSettings(args) {
  if (args.length > 1) fail('expected at most one argument, a JSON object of settings');
  let given;
  try {
    given = JSON.parse(args[0] ?? '{}');
  } catch (error) {
    fail(`the settings are not JSON: ${error.message}`);
  }
  for (const [key, value] of Object.entries(given)) {
    if (!(key in DEFAULTS)) fail(`unknown setting ${key}; known: ${Object.keys(DEFAULTS).join(', ')}`);
    if (typeof value !== typeof DEFAULTS[key]) fail(`setting ${key} must be a ${typeof DEFAULTS[key]}`);
  }
  return { ...DEFAULTS, ...given };
}

function registerClients() {
  const device = 'urn:ietf:params:oauth:grant-type:device_code';
  const common = {
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials', device],
    response_types: ['code'],
    redirect_uris: ['http://localhost:8724/callback', ...settings.redirect_uris],
  };
  return {
    // Characters that must be form-encoded before Basic authentication joins the two with a colon, RFC 6749 section 2.3.1.
    basic: {
      ...common,
      client_id: 'vestal:basic',
      client_secret: 'basic +/%&=:?secret',
      token_endpoint_auth_method: 'client_secret_basic',
    },
    post: {
      ...common,
      client_id: 'vestal-post',
      client_secret: 'post-secret',
      token_endpoint_auth_method: 'client_secret_post',
    },
    public: {
      ...common,
      client_id: 'vestal-public',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', device],
    },
  };
}

function createProvider(issuer) {
  const always = settings.refresh_tokens === 'always';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return new Provider(issuer, {
    clients: Object.values(clients),
    jwks: { keys: [privateKey.export({ format: 'jwk' })] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    scopes: ['openid', 'offline_access', 'contacts'],
    ttl: {
      AccessToken: settings.access_ttl_s,
      ClientCredentials: settings.access_ttl_s,
      RefreshToken: settings.refresh_ttl_s,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 600,
      Session: 86_400,
    },
    rotateRefreshToken: settings.rotate,
    ...(always && { issueRefreshToken: () => true, expiresWithSession: () => false }),
    pkce: { required: () => settings.pkce_required },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: { enabled: true },
      revocation: { enabled: true },
    },
  });
}

// What a test wants to know afterwards. `refresh_reuses` counts every consumed refresh token that was presented again,
// also after its family had been revoked for it, when the provider itself only says "not found".
function watch(provider) {
  const stats = {
    granted: { authorization_code: 0, client_credentials: 0, refresh_token: 0 },
    refused: {},
    refresh_reuses: 0,
    grants_revoked: 0,
  };
  const consumed = new Set();
  provider.on('refresh_token.consumed', (token) => consumed.add(token.jti));
  provider.on('grant.success', ({ oidc }) => count(stats.granted, oidc.params.grant_type));
  provider.on('grant.error', ({ oidc }, error) => {
    count(stats.refused, error.message);
    if (consumed.has(oidc.params?.refresh_token)) stats.refresh_reuses += 1;
  });
  provider.on('grant.revoked', () => (stats.grants_revoked += 1));
  provider.on('server_error', (_ctx, error) => console.error(error));
  return stats;
}

function count(counters, key) {
  counters[key] = (counters[key] ?? 0) + 1;
}

function route(provider, stats) {
  const protocol = provider.callback();
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, provider.issuer);
    try {
      if (pathname === '/_test/stats') {
        answer(response, 200, stats);
      } else if (pathname === '/_test/active') {
        answer(response, 200, { active: await isActive(provider, searchParams.get('token')) });
      } else if (pathname === '/_test/approve') {
        await approveDevice(provider, searchParams.get('user_code'), response);
      } else if (pathname.startsWith('/_test/')) {
        answer(response, 404, { error: 'no such test endpoint' });
      } else if (pathname.startsWith('/interaction/')) {
        await signInAndConsent(provider, request, response);
      } else {
        protocol(request, response);
      }
    } catch (error) {
      console.error(error);
      answer(response, error.statusCode ?? 500, { error: error.message });
    }
  };
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function signInAndConsent(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grantId = await grantAll(provider, params);
  await provider.interactionFinished(request, response, { login: { accountId: ACCOUNT_ID }, consent: { grantId } });
}

async function grantAll(provider, { client_id: clientId, scope = '' }) {
  const grant = new provider.Grant({ accountId: ACCOUNT_ID, clientId });
  grant.addOIDCScope(scope);
  return grant.save();
}

// What introspection would say of an access or refresh token, without a client to authenticate.
async function isActive(provider, value) {
  if (!value) return false;
  for (const kind of [provider.AccessToken, provider.RefreshToken, provider.ClientCredentials]) {
    const token = await kind.find(value);
    if (token) return token.isValid && (!token.grantId || Boolean(await provider.Grant.find(token.grantId)));
  }
  return false;
}

// What the user does on the pages behind a device's verification URI, which need a script to be submitted.
async function approveDevice(provider, userCode, response) {
  const code = await provider.DeviceCode.findByUserCode((userCode ?? '').toUpperCase().replace(/\W/g, ''));
  if (!code) return answer(response, 404, { error: 'no such user code' });
  Object.assign(code, {
    accountId: ACCOUNT_ID,
    authTime: Math.floor(Date.now() / 1000),
    grantId: await grantAll(provider, { client_id: code.clientId, scope: code.params.scope }),
    scope: code.params.scope,
  });
  await code.save();
  answer(response, 200, { approved: true });
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
