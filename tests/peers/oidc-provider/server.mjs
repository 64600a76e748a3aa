// A certified OpenID provider as a test peer. `node server.mjs ['{"access_ttl_s": 10, …}']`
//
// When it is ready it prints one JSON line on stdout: the issuer and the registered clients. Everything else
// goes to stderr. It ends with its stdin, so that a parent that was killed never leaves it behind, and on SIGTERM.
//
// Signing in and consenting happen by themselves, unless `asks` says otherwise: an HTTP client that keeps cookies and follows
// redirects from the authorization endpoint ends at the redirect URI.

import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

// stdout belongs to the ready line.
console.log = console.info = console.error;
const {
  default: Provider,
  errors: { InvalidTarget },
} = await import('oidc-provider');
const { setStorage } = await import('oidc-provider/lib/adapters/memory_adapter.js');

const DEFAULTS = {
  port: 0, // 0: any free one
  access_ttl_s: 10,
  refresh_ttl_s: 86_400, // from the last rotation on, so it is an idle limit
  rotate: true, // false: the refresh token stays the same for ever
  refresh_tokens: 'always', // 'offline_access': only for openid, offline_access and prompt=consent together, silently
  pkce_required: true,
  dpop_nonce: false, // true: a DPoP proof has to repeat a nonce of the server's
  redirect_uris: [], // further ones
  asks: false, // true: a page asks who it is, and another for consent
  jwks: {}, // the public keys of the client that signs with a private one
  tls: {}, // PEM, for clients that show a certificate: key, cert, client_ca, client_cert
  par_required: false, // true: authorization requests have to be pushed
  resources: [], // the APIs that tokens may be asked for
  says_expires_in: true, // false: a token answer says no word of how long its access token lives
  forge_id_tokens: false, // true: an id token says something else than what was signed
};
const ACCOUNT_ID = 'vesta';

const settings = readSettings(process.argv.slice(2));
const clients = registerClients();
// The default store forgets the oldest of a thousand entries; a forgotten token would look revoked.
setStorage(new Map());

const server = await listening(createServer(), settings.port);
const { key, cert, client_ca: ca } = settings.tls;
// Whoever shows no certificate, or one that nobody knows, is told so by the provider.
const tlsServer =
  key && (await listening(createTlsServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }), 0));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = createProvider(issuer);
const stats = watch(provider);
for (const each of [server, tlsServer]) each?.on('request', route(provider, stats));
process.stdout.write(`${JSON.stringify({ issuer, clients })}\n`);

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));

function listening(server, port) {
  server.on('error', (error) => fail(`cannot listen on port ${port}: ${error.message}`));
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

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
    // Its tokens are bound to a key (RFC 9449 section 5.2).
    bound: {
      ...common,
      client_id: 'vestal-bound',
      token_endpoint_auth_method: 'none',
      dpop_bound_access_tokens: true,
      grant_types: ['authorization_code', 'refresh_token', device],
    },
    public: {
      ...common,
      client_id: 'vestal-public',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', device],
    },
    secret_jwt: {
      ...common,
      client_id: 'vestal-secret-jwt',
      client_secret: 'a secret of at least 256 bits, to sign with',
      token_endpoint_auth_method: 'client_secret_jwt',
    },
    ...(settings.jwks.keys && {
      key_jwt: {
        ...common,
        client_id: 'vestal-key-jwt',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: settings.jwks,
      },
    }),
    ...(settings.tls.client_cert && {
      tls: {
        ...common,
        client_id: 'vestal-tls',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_subject_dn: new X509Certificate(settings.tls.client_cert).subject,
      },
      self_signed: {
        ...common,
        client_id: 'vestal-self-signed',
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        jwks: { keys: [asJwk(new X509Certificate(settings.tls.client_cert))] },
      },
    }),
  };
}

function asJwk(certificate) {
  return { ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] };
}

function createProvider(issuer) {
  const always = settings.refresh_tokens === 'always';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tlsOrigin = tlsServer && `https://localhost:${tlsServer.address().port}`;
  const provider = new Provider(issuer, {
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
    ...(tlsOrigin && {
      clientAuthMethods: [
        ...['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'],
        ...['tls_client_auth', 'self_signed_tls_client_auth'],
      ],
      discovery: {
        mtls_endpoint_aliases: {
          token_endpoint: `${tlsOrigin}/token`,
          revocation_endpoint: `${tlsOrigin}/token/revocation`,
          introspection_endpoint: `${tlsOrigin}/token/introspection`,
          pushed_authorization_request_endpoint: `${tlsOrigin}/request`,
        },
      },
    }),
    pkce: { required: () => settings.pkce_required },
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: {
        enabled: true,
        ...(settings.dpop_nonce && { nonceSecret: randomBytes(32), requireNonce: () => true }),
      },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: settings.par_required },
      resourceIndicators: { enabled: settings.resources.length > 0, getResourceServerInfo },
      revocation: { enabled: true },
      ...(tlsOrigin && { mTLS: certificates() }),
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route === 'introspection') stats.introspected += 1;
    if (ctx.oidc?.route !== 'token' || !ctx.body?.access_token) return;
    if (!settings.says_expires_in) delete ctx.body.expires_in;
    if (settings.forge_id_tokens && ctx.body.id_token) ctx.body.id_token = forged(ctx.body.id_token);
  });
  return provider;
}

function certificates() {
  return {
    enabled: true,
    tlsClientAuth: true,
    selfSignedTlsClientAuth: true,
    getCertificate: ({ socket }) => socket.getPeerX509Certificate?.()?.toString(),
    certificateAuthorized: ({ socket }) => socket.authorized,
    certificateSubjectMatches: ({ socket }, property, expected) =>
      property === 'tls_client_auth_subject_dn' && socket.getPeerX509Certificate().subject === expected,
  };
}

function getResourceServerInfo(_ctx, resource) {
  if (!settings.resources.includes(resource)) throw new InvalidTarget();
  return { scope: 'contacts', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
}

// The same header and signature around other claims.
function forged(token) {
  const [header, claims, signature] = token.split('.');
  const changed = { ...JSON.parse(Buffer.from(claims, 'base64url')), sub: 'mallory' };
  return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
}

// What a test wants to know afterwards. `refresh_reuses` counts every consumed refresh token that was presented again,
// also after its family had been revoked for it, when the provider itself only says "not found".
function watch(provider) {
  const stats = {
    granted: { authorization_code: 0, client_credentials: 0, refresh_token: 0 },
    refused: {},
    refresh_reuses: 0,
    grants_revoked: 0,
    introspected: 0,
    pushed: 0,
  };
  const consumed = new Set();
  provider.on('refresh_token.consumed', (token) => consumed.add(token.jti));
  provider.on('grant.success', ({ oidc }) => count(stats.granted, oidc.params.grant_type));
  provider.on('grant.error', ({ oidc }, error) => {
    count(stats.refused, error.message);
    if (consumed.has(oidc.params?.refresh_token)) stats.refresh_reuses += 1;
  });
  provider.on('pushed_authorization_request.success', () => (stats.pushed += 1));
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

// A person signs in on one page and consents on another; both are forms.
function form(response, title, fields, button) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>
<form method="post">${fields}<button type="submit">${button}</button></form></html>\n`);
}

async function signInAndConsent(provider, request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response);
  if (settings.asks && request.method !== 'POST') {
    return prompt.name === 'login'
      ? form(response, 'Sign in', '<label>Name <input name="login"></label>', 'Sign in')
      : form(response, 'May Vestal use your account?', '', 'Allow');
  }
  if (settings.asks && prompt.name === 'login') {
    const { login } = Object.fromEntries(new URLSearchParams(await body(request)));
    return provider.interactionFinished(request, response, { login: { accountId: login } });
  }
  const grantId = await grantAll(provider, params);
  await provider.interactionFinished(request, response, { login: { accountId: ACCOUNT_ID }, consent: { grantId } });
}

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function grantAll(provider, { client_id: clientId, scope = '', resource = [] }) {
  const grant = new provider.Grant({ accountId: ACCOUNT_ID, clientId });
  grant.addOIDCScope(scope);
  for (const each of [resource].flat()) grant.addResourceScope(each, scope);
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
