//! The certificate that a client shows (RFC 8705), and its key.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Request;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A certificate, those that lead from it to its authority, and its private key. It travels in a request's extensions.
#[derive(Clone)]
pub struct ClientCertificate {
    pem: Arc<SecretString>,
    fingerprint: [u8; 32],
}

/// Why a text is no certificate with its key. It repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no certificate in it.
    #[error("there is no certificate in it: it is to be PEM, \"-----BEGIN CERTIFICATE-----\" and so on")]
    NoCertificate,
    /// There is no private key in it.
    #[error(
        "there is no private key beside the certificate: it is to be PEM, \"-----BEGIN PRIVATE KEY-----\" and so on, and not encrypted"
    )]
    NoKey,
}

impl ClientCertificate {
    /// Reads PEM that holds certificates, the client's own first, and its private key.
    ///
    /// # Errors
    /// Where one of the two is missing.
    pub fn read(pem: SecretString) -> Result<Self, CertificateError> {
        let bytes = pem.expose_secret().as_bytes();
        CertificateDer::from_pem_slice(bytes).map_err(|_| CertificateError::NoCertificate)?;
        PrivateKeyDer::from_pem_slice(bytes).map_err(|_| CertificateError::NoKey)?;
        let fingerprint = Sha256::digest(bytes).into();
        Ok(Self { pem: Arc::new(pem), fingerprint })
    }

    /// The certificate that a request is to be sent with, if there is one.
    pub fn of<T>(request: &Request<T>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The certificates and the key.
    pub fn pem(&self) -> &SecretString {
        &self.pem
    }

    /// What tells it apart from others.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// The SHA-256 thumbprint of the first certificate in PEM, in base64url (`x5t#S256`, RFC 7515 §4.1.8).
pub(crate) fn thumbprint(pem: &SecretString) -> Option<String> {
    let certificate = CertificateDer::from_pem_slice(pem.expose_secret().as_bytes()).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_needs_its_key_and_prints_neither() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let read =
            |text: &str| ClientCertificate::read(text.into()).map(|certificate| format!("{certificate:?}"));
        assert_eq!(read(&format!("{certificate}{key}")).unwrap(), "ClientCertificate");
        assert_eq!(read(key), Err(CertificateError::NoCertificate));
        assert_eq!(read(certificate), Err(CertificateError::NoKey));
        assert_eq!(read("hello"), Err(CertificateError::NoCertificate));
        // SHA-256 of the two bytes of an empty sequence.
        let expected = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest([0x30, 0]));
        assert_eq!(thumbprint(&certificate.into()), Some(expected));
        assert_eq!(thumbprint(&key.into()), None);
    }
}
