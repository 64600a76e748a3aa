//! Where a provider is: as the file of facts says, as somebody said, or as it is discovered.

use url::Url;
use vestal_core::client::{ClientAuth, Endpoints};
use vestal_core::provider::{Fact, Issuer, Provider, catalogue};
use vestal_core::site::variables;
use vestal_oauth::discovery::{Discovered, DiscoveryError, discover};
use vestal_oauth::endpoint;

use super::{ClientOptions, missing, unfit};
use crate::context::Vestal;
use crate::failure::{Failure, unfit_site};
use crate::terminal;

/// Where a provider is, and how its server says that clients may prove themselves.
pub(crate) struct Found {
    pub(crate) endpoints: Endpoints,
    /// For a client that shows a certificate.
    pub(super) mtls: Endpoints,
    pub(crate) methods: Vec<ClientAuth>,
}

pub(crate) async fn endpoints(
    vestal: &Vestal,
    provider: &Provider,
    options: &ClientOptions,
) -> Result<Found, Failure> {
    let facts = &provider.endpoints;
    let is_said = |said: &Option<Issuer>| match said {
        Some(Issuer::Is(issuer)) => Some(issuer.clone()),
        Some(Issuer::Ask) | None => None,
    };
    let named = options.token_endpoint.clone().or_else(|| {
        let fact = facts.token.as_ref().filter(|_| options.issuer.is_none());
        fact.map(|fact| fact.value.clone())
    });
    let mut found = if let Some(token) = named {
        let fact = |fact: &Option<Fact<Url>>| {
            // The provider's other endpoints do not belong to a token endpoint that somebody else named.
            fact.as_ref().filter(|_| options.token_endpoint.is_none()).map(|fact| fact.value.clone())
        };
        let endpoints = Endpoints {
            issuer: is_said(&facts.issuer).filter(|_| options.token_endpoint.is_none()),
            authorization: options.authorization_endpoint.clone().or_else(|| fact(&facts.authorization)),
            refresh: fact(&facts.refresh),
            lengthen: fact(&facts.lengthen),
            revocation: options.revocation_endpoint.clone().or_else(|| fact(&facts.revocation)),
            device_authorization: options
                .device_authorization_endpoint
                .clone()
                .or_else(|| fact(&facts.device_authorization)),
            pushed_authorization: fact(&facts.pushed_authorization),
            introspection: fact(&facts.introspection),
            userinfo: fact(&facts.userinfo),
            jwks: fact(&facts.jwks),
            ..Endpoints::at(token)
        };
        let methods = vec![ClientAuth::ClientSecretBasic, ClientAuth::None];
        Found { mtls: endpoints.clone(), endpoints, methods }
    } else {
        let issuer = match options.issuer.clone().or_else(|| is_said(&facts.issuer)) {
            Some(issuer) => issuer,
            None if terminal::has_person() => {
                let example = facts.issuer_example.as_deref().unwrap_or("https://login.example.com");
                terminal::ask(&format!("Issuer (such as {example}): "))?
            }
            None => {
                let what = format!("nobody says where {} is", provider.name);
                return Err(missing(
                    &what,
                    "--issuer URL, or --authorization-endpoint URL and --token-endpoint URL",
                ));
            }
        };
        refuse_retired(&issuer)?;
        let Discovered { mut endpoints, mut mtls, auth_methods, .. } =
            discover(&*vestal.http, &issuer, vestal.config.limits.answer).await.map_err(undiscovered)?;
        for endpoints in [&mut endpoints, &mut mtls] {
            if let Some(authorization) = &options.authorization_endpoint {
                endpoints.authorization = Some(authorization.clone());
            }
            if let Some(revocation) = &options.revocation_endpoint {
                endpoints.revocation = Some(revocation.clone());
            }
            if let Some(device_authorization) = &options.device_authorization_endpoint {
                endpoints.device_authorization = Some(device_authorization.clone());
            }
        }
        Found { endpoints, mtls, methods: auth_methods }
    };
    let unfit_here = |why| unfit_site(&provider.name, &why);
    let site = found.endpoints.site(&options.site, provider).map_err(unfit_here)?;
    for endpoints in [&mut found.endpoints, &mut found.mtls] {
        *endpoints = endpoints.filled(&site, provider).map_err(unfit_here)?;
    }
    for url in found.endpoints.all().chain(found.mtls.all()) {
        refuse_retired(url.as_str())?;
        if !variables(url.as_str()).is_empty() {
            // It is known only with a connection where this leads, and looked at then.
            continue;
        }
        endpoint::check(url).map_err(|error| unfit(url, "cannot be used", error))?;
    }
    Ok(found)
}

fn undiscovered(error: DiscoveryError) -> Failure {
    let failure = match error {
        DiscoveryError::Unreachable { .. } => Failure::new(
            vestal_api::Code::TemporarilyUnavailable,
            "the server's endpoints could not be discovered",
        ),
        _ => Failure::failed("the server's endpoints could not be discovered"),
    };
    failure.why(error).next("check the issuer; or name --authorization-endpoint and --token-endpoint")
}

/// Refuses what does not work any more at any of the providers that are known, whichever was named.
fn refuse_retired(text: &str) -> Result<(), Failure> {
    let Ok(url) = Url::parse(text) else { return Ok(()) };
    let providers = catalogue::ids().filter_map(|id| catalogue::builtin(id)?.ok());
    for provider in providers {
        if let Some(retired) = provider.retired(&url) {
            let since = retired.since.strftime("%-d %b %Y");
            return Err(Failure::usage(format!(
                "{} does not answer at {} any more",
                provider.name, retired.prefix
            ))
            .why(format!("it ended on {since}"))
            .next(format!("use {}: vestal connect NAME --provider {}", retired.instead, provider.id)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_endpoints_are_refused_whichever_provider_was_named() {
        let refused = |url: &str| refuse_retired(url).err().and_then(Failure::view);
        let view = refused("https://api.cc.email/v3/idfed?x").unwrap();
        assert!(view.next.unwrap().contains("https://authz.constantcontact.com/"));
        assert_eq!(refused("https://authz.constantcontact.com/oauth2/default/v1/token"), None);
    }
}
