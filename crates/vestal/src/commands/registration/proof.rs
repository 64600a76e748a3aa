//! What a client proves itself with, and how.

use std::path::PathBuf;

use vestal_core::client::{ClientAuth, Proof};
use vestal_core::secret::{ExposeSecret, SecretString};

use super::missing;
use crate::config::read_secret_file;
use crate::failure::Failure;
use crate::terminal;

/// Where what proves a client comes from.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SecretOptions {
    /// A file that holds the client secret
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// Read the client secret from stdin, as a line
    #[arg(long, conflicts_with = "client_secret_file")]
    pub(crate) client_secret_stdin: bool,

    /// A file that holds the client's private key, as PEM or JWK
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_file", "client_secret_stdin"])]
    pub(crate) key_file: Option<PathBuf>,

    /// A file that holds the client's certificate as PEM, its own first
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) certificate_file: Option<PathBuf>,
}

impl SecretOptions {
    /// What there is for a client that proves itself so; `None` where nothing is given and nobody can be asked, or the
    /// person has none.
    pub(crate) fn read(&self, auth: Option<ClientAuth>) -> Result<Option<SecretString>, Failure> {
        if let Some(path) = &self.key_file {
            let key = read_secret_file(path)?;
            let Some(path) = &self.certificate_file else { return Ok(Some(key)) };
            let certificate = read_secret_file(path)?;
            let pem = format!("{}\n{}", certificate.expose_secret().trim(), key.expose_secret());
            return Ok(Some(pem.into()));
        }
        let is_a_secret = auth.is_none_or(|auth| auth.proof() == Proof::Secret);
        let secret = match &self.client_secret_file {
            Some(path) => Some(read_secret_file(path)?.expose_secret().trim().into()),
            None if self.client_secret_stdin => Some(terminal::read_line()?.into()),
            None if is_a_secret && terminal::has_person() => {
                Some(terminal::ask_secret("Client secret (does not show): ")?)
            }
            None => None,
        };
        Ok(secret.filter(|secret: &SecretString| !secret.expose_secret().is_empty()))
    }

    /// What kind of thing is given.
    pub(crate) fn given(&self) -> Option<Proof> {
        match (&self.key_file, &self.certificate_file) {
            (Some(_), Some(_)) => Some(Proof::Certificate),
            (Some(_), None) => Some(Proof::Key),
            _ if self.client_secret_stdin || self.client_secret_file.is_some() => Some(Proof::Secret),
            _ => None,
        }
    }

    /// Refuses what does not go with a client's method.
    pub(crate) fn check(&self, auth: ClientAuth) -> Result<(), Failure> {
        match (auth.proof(), self.given()) {
            // A key may come with its certificate, by which some providers know it.
            (_, None) | (Proof::Key, Some(Proof::Certificate)) => Ok(()),
            (needed, Some(given)) if needed == given => Ok(()),
            (needed, Some(given)) => Err(Failure::usage(format!("{auth} needs {needed}, not {given}"))
                .next(format!("give it with {}", flags_for(needed)))),
        }
    }
}

/// The flags that give such a thing.
pub(crate) fn flags_for(proof: Proof) -> &'static str {
    match proof {
        Proof::Secret => "--client-secret-file FILE or --client-secret-stdin",
        Proof::Key => "--key-file FILE",
        Proof::Certificate => "--certificate-file FILE and --key-file FILE",
        Proof::Nothing => "no flag at all",
    }
}

/// How the client proves itself: as asked, or else by the first way that the provider accepts and that fits what is
/// given. A secret is sent as it is before anything is signed with it: that is how most clients are registered.
pub(crate) fn choose_auth(
    asked: Option<ClientAuth>,
    given: Proof,
    accepted: &[ClientAuth],
) -> Result<ClientAuth, Failure> {
    if let Some(auth) = asked {
        return if auth.needs_secret() && given == Proof::Nothing {
            Err(needs(auth.proof()))
        } else {
            Ok(auth)
        };
    }
    let fitting = || accepted.iter().copied().filter(|auth| auth.proof() == given);
    let usual = fitting().find(|auth| *auth != ClientAuth::ClientSecretJwt).or_else(|| fitting().next());
    match (usual, given) {
        (Some(auth), _) => Ok(auth),
        (None, Proof::Secret) => Ok(ClientAuth::ClientSecretBasic),
        (None, Proof::Key) => Ok(ClientAuth::PrivateKeyJwt),
        (None, Proof::Certificate) => Ok(ClientAuth::TlsClientAuth),
        (None, Proof::Nothing) => Err(needs(Proof::Secret)),
    }
}

pub(super) fn needs(proof: Proof) -> Failure {
    match proof {
        Proof::Secret => missing(
            "the client needs a secret",
            &format!("{}; for a public client, --auth none", flags_for(proof)),
        ),
        _ => missing(&format!("the client needs {proof}"), flags_for(proof)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_prove_oneself_fits_what_there_is() {
        let (basic, post) = (ClientAuth::ClientSecretBasic, ClientAuth::ClientSecretPost);
        let public = ClientAuth::None;
        let (signed, key) = (ClientAuth::ClientSecretJwt, ClientAuth::PrivateKeyJwt);
        let (secret, nothing) = (Proof::Secret, Proof::Nothing);
        for (asked, given, accepted, chosen) in [
            (None, secret, &[post, basic][..], Some(post)),
            (None, secret, &[signed, basic], Some(basic)),
            (None, secret, &[signed, key], Some(signed)),
            (None, Proof::Key, &[basic, key], Some(key)),
            (None, Proof::Key, &[basic], Some(key)),
            (
                None,
                Proof::Certificate,
                &[key, ClientAuth::SelfSignedTlsClientAuth],
                Some(ClientAuth::SelfSignedTlsClientAuth),
            ),
            (None, Proof::Certificate, &[], Some(ClientAuth::TlsClientAuth)),
            (None, nothing, &[basic, public], Some(public)),
            (None, nothing, &[basic], None),
            (None, secret, &[], Some(basic)),
            (Some(post), secret, &[basic], Some(post)),
            (Some(post), nothing, &[], None),
            (Some(key), nothing, &[], None),
            (Some(public), nothing, &[], Some(public)),
        ] {
            assert_eq!(choose_auth(asked, given, accepted).ok(), chosen, "{asked:?} {given} {accepted:?}");
        }
    }

    #[test]
    fn what_is_given_goes_with_the_method() {
        let secret = SecretOptions { client_secret_stdin: true, ..SecretOptions::default() };
        let key = SecretOptions { key_file: Some("k".into()), ..SecretOptions::default() };
        let both = SecretOptions {
            certificate_file: Some("c".into()),
            key_file: Some("k".into()),
            ..SecretOptions::default()
        };
        for (options, auth, fits) in [
            (&secret, ClientAuth::ClientSecretJwt, true),
            (&secret, ClientAuth::PrivateKeyJwt, false),
            (&key, ClientAuth::PrivateKeyJwt, true),
            (&key, ClientAuth::TlsClientAuth, false),
            (&key, ClientAuth::None, false),
            (&both, ClientAuth::PrivateKeyJwt, true),
            (&both, ClientAuth::SelfSignedTlsClientAuth, true),
            (&both, ClientAuth::ClientSecretPost, false),
            (&SecretOptions::default(), ClientAuth::PrivateKeyJwt, true),
        ] {
            assert_eq!(options.check(auth).is_ok(), fits, "{options:?} {auth}");
        }
    }
}
