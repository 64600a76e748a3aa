//! Private keys that sign: from PEM, as OpenSSL writes it, or from a JWK.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::public_key::bytes;
use super::{Algorithm, Curve, PublicKey, SigningError, compact, signing_input};

/// A private key, ready to sign by one algorithm.
pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
    public: PublicKey,
    kid: String,
}

enum Pair {
    Ec(EcdsaKeyPair, Curve),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a text is no key to sign with. It repeats nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is neither PEM nor a JWK.
    #[error(
        "there is no private key in it: a key is PEM (\"-----BEGIN PRIVATE KEY-----\" and so on) or a JWK (\"{{\\\"kty\\\": …\")"
    )]
    NoKey,
    /// It is protected by a passphrase.
    #[error(
        "the private key is encrypted: decrypt it first, as with openssl pkey; it is sealed when it is stored"
    )]
    Encrypted,
    /// It is the public half of a key.
    #[error("it is a public key: the private one is needed to sign")]
    Public,
    /// It is of a kind that is not known here, or broken.
    #[error(
        "the private key cannot be used: it is to be EC (P-256, P-384, P-521), RSA (2048 bits or more) or Ed25519"
    )]
    Unusable,
    /// The key does not go with its `alg`.
    #[error("the key says that it is for {algorithm}, for which it is of the wrong kind")]
    WrongAlgorithm {
        /// What it says.
        algorithm: &'static str,
    },
}

impl SigningKey {
    /// Reads a private key: PEM (PKCS #8, SEC 1 or PKCS #1; what else is in it is passed over) or a JWK (RFC 7517).
    ///
    /// An RSA key signs by RS256 unless its JWK names another algorithm; each other kind of key has one algorithm only.
    ///
    /// # Errors
    /// Where there is no key in it that can be used.
    pub fn read(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret();
        match serde_json::from_str(text) {
            Ok(Value::Object(jwk)) => Self::from_jwk(&jwk),
            _ => Self::from_pem(text),
        }
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        let unreadable = |otherwise| match text {
            _ if text.contains("ENCRYPTED") => KeyError::Encrypted,
            _ if text.contains("BEGIN PUBLIC KEY") => KeyError::Public,
            _ => otherwise,
        };
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| unreadable(KeyError::NoKey))?;
        let ec = |der: &[u8]| {
            let of = |curve: Curve| EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok();
            Curve::ALL.into_iter().find_map(|curve| Some((Pair::Ec(of(curve)?, curve), curve.algorithm())))
        };
        let ed25519 = |pair| (Pair::Ed25519(pair), Algorithm::EdDsa);
        let rsa = |pair| (Pair::Rsa(pair), Algorithm::Rs256);
        let pair = match &key {
            PrivateKeyDer::Sec1(der) => ec(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(rsa),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                ec(der)
                    .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(ed25519))
                    .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(rsa))
            }
            _ => None,
        };
        let (pair, algorithm) = pair.ok_or_else(|| unreadable(KeyError::Unusable))?;
        Ok(Self::new(pair, algorithm, None))
    }

    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let public = PublicKey::from_jwk(jwk).ok_or(match text("kty") {
            Some(_) => KeyError::Unusable,
            None => KeyError::NoKey,
        })?;
        if !jwk.contains_key("d") {
            return Err(KeyError::Public);
        }
        let secret = |name| bytes(jwk, name).map(Zeroizing::new).ok_or(KeyError::Unusable);
        let d = secret("d")?;
        let (pair, usual) = match public {
            PublicKey::Ec { curve, point } => {
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &d, &point);
                (pair.map(|pair| Pair::Ec(pair, curve)), curve.algorithm())
            }
            PublicKey::Ed25519 { x } => {
                (Ed25519KeyPair::from_seed_and_public_key(&d, &x).map(Pair::Ed25519), Algorithm::EdDsa)
            }
            PublicKey::Rsa { n, e } => {
                let [p, q, dp, dq, qi] = ["p", "q", "dp", "dq", "qi"].map(secret);
                let components = KeyPairComponents {
                    public_key: PublicKeyComponents { n, e },
                    d: &**d,
                    p: &**p?,
                    q: &**q?,
                    dP: &**dp?,
                    dQ: &**dq?,
                    qInv: &**qi?,
                };
                (RsaKeyPair::from_components(&components).map(Pair::Rsa), Algorithm::Rs256)
            }
        };
        let pair = pair.map_err(|_| KeyError::Unusable)?;
        let algorithm = match text("alg") {
            None => usual,
            Some(name) => Algorithm::named(name).filter(|named| pair.can_sign_by(*named)).ok_or(
                KeyError::WrongAlgorithm {
                    algorithm: Algorithm::named(name).map_or("another", Algorithm::name),
                },
            )?,
        };
        Ok(Self::new(pair, algorithm, text("kid").map(str::to_owned)))
    }

    fn new(pair: Pair, algorithm: Algorithm, kid: Option<String>) -> Self {
        let public = pair.public();
        let kid = kid.unwrap_or_else(|| public.thumbprint());
        Self { pair, algorithm, public, kid }
    }

    /// The algorithm that it signs by.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What it is called: the `kid` of its JWK, or its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half as it is to be registered with a provider (RFC 7517 §4).
    pub fn registration(&self) -> Map<String, Value> {
        let mut jwk = self.public.jwk();
        let added = [("alg", self.algorithm.name()), ("kid", &self.kid), ("use", "sig")];
        jwk.extend(added.map(|(name, value)| (name.to_owned(), value.into())));
        jwk
    }

    /// A JWT over these claims. `header` is what its header holds besides `alg`.
    ///
    /// # Errors
    /// Where the cryptographic library fails.
    pub fn sign(
        &self,
        header: &[(&str, Value)],
        claims: &Map<String, Value>,
    ) -> Result<SecretString, SigningError> {
        let input = signing_input(self.algorithm, header, claims);
        let signature = self.pair.sign(self.algorithm, input.as_bytes()).ok_or(SigningError)?;
        Ok(compact(&input, &signature))
    }
}

impl Pair {
    fn can_sign_by(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Ec(_, curve) => curve.algorithm() == algorithm,
            Self::Rsa(_) => algorithm.rsa().is_some(),
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    fn public(&self) -> PublicKey {
        match self {
            Self::Ec(pair, curve) => {
                PublicKey::Ec { curve: *curve, point: pair.public_key().as_ref().to_vec() }
            }
            Self::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                PublicKey::Rsa { n, e }
            }
            Self::Ed25519(pair) => PublicKey::Ed25519 { x: pair.public_key().as_ref().to_vec() },
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair, _) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let (encoding, _) = algorithm.rsa()?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
