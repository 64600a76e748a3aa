//! Certificates: the server's, and the client's own.

use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use vestal_oauth::certificate::ClientCertificate;
use vestal_oauth::http::{BodyEnd, Http as _};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings, SettingsError};

use super::{LONG, Server, answer, not_sent, read_request, request, send, unfit};

#[tokio::test]
async fn a_certificate_is_trusted_only_with_its_authority() {
    let pem = |name| std::fs::read(format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&pem("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pem("server.key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
            let request = read_request(&mut stream).await;
            finish(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
            request
        }
    })
    .await;
    let url = format!("https://localhost:{}/token", server.address.port());

    let said = not_sent(send(&url, LONG).await);
    assert_eq!(said, "no connection to localhost: invalid peer certificate: UnknownIssuer");

    let settings = |extra_roots| Settings { user_agent: "vestal/0.0.1".into(), proxy: None, extra_roots };
    let trusting = ReqwestHttp::new(&settings(pem("ca.pem"))).unwrap();
    let answer = answer(trusting.send(request(&url), LONG).await);
    assert_eq!((answer.status, answer.end, &*answer.body), (200, BodyEnd::Complete, &b"{}"[..]));

    let broken = b"-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n".to_vec();
    assert!(matches!(ReqwestHttp::new(&settings(broken)), Err(SettingsError::Roots { .. })));
    assert!(matches!(ReqwestHttp::new(&settings(b"no PEM".to_vec())), Err(SettingsError::Roots { .. })));
}

/// Under TLS 1.2 a handshake ends before anything is sent; under 1.3 the client's part of it does.
#[tokio::test]
async fn a_client_shows_its_own_certificate_and_nobody_elses() {
    for version in [&TLS12, &TLS13] {
        shows_its_own_certificate(version).await;
    }
}

async fn shows_its_own_certificate(version: &'static SupportedProtocolVersion) {
    let pem = |name| std::fs::read(format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let certificate = move |name| CertificateDer::from_pem_slice(&pem(name)).unwrap();
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("client-ca.pem")).unwrap();
    let verifier =
        WebPkiClientVerifier::builder(Arc::new(authorities)).allow_unauthenticated().build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem("server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return "refused".to_owned() };
            let shown = stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
            read_request(&mut stream).await;
            finish(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
            match shown {
                None => "nobody".to_owned(),
                Some(shown) if shown == certificate("client.pem").to_vec() => "vestal".to_owned(),
                Some(_) => "a stranger".to_owned(),
            }
        }
    })
    .await;
    let url = format!("https://localhost:{}/token", server.address.port());
    let settings = Settings { user_agent: "vestal/0.0.1".into(), proxy: None, extra_roots: pem("ca.pem") };
    let http = ReqwestHttp::new(&settings).unwrap();
    let both = |certificate, key| [pem(certificate), pem(key)].concat();
    let shown_by = |pem: Vec<u8>| {
        let mut request = request(&url);
        let certificate = ClientCertificate::read(String::from_utf8(pem).unwrap().into()).unwrap();
        request.extensions_mut().insert(certificate);
        request
    };
    let ours = || shown_by(both("client.pem", "client.key.pem"));

    for request in [ours(), request(&url), ours(), request(&url)] {
        assert_eq!(answer(http.send(request, LONG).await).status, 200);
    }
    // An authority that the server does not know has issued it.
    let strange = http.send(shown_by(both("server.pem", "server.key.pem")), LONG).await;
    let said = unfit(strange);
    assert!(
        said.starts_with("localhost refused the TLS connection, or the client's certificate: "),
        "{said}"
    );
    while server.connections() < 5 {
        tokio::task::yield_now().await;
    }
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen, ["vestal", "nobody", "vestal", "nobody", "refused"]);

    // A key of another certificate: nothing is sent.
    let said = unfit(http.send(shown_by(both("client.pem", "server.key.pem")), LONG).await);
    assert!(said.starts_with("the client's certificate and key cannot be used: "), "{said}");
    assert_eq!(server.connections(), 5);
}

async fn finish(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8]) {
    stream.write_all(answer).await.unwrap();
    stream.shutdown().await.unwrap();
}
