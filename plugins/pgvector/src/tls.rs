/*!
Encryption, in the words of `sslmode` (PostgreSQL's manual, "SSL Support"):

| sslmode | encrypted | the server is who it says |
|---|---|---|
| disable | never | |
| prefer (if not given) | where the server can | not checked |
| require | always, or no connection | not checked, unless `sslrootcert` is given |
| verify-full | always | by `sslrootcert`, or by the public authorities |

Without encryption no mode but `disable` and `prefer` goes on.
*/

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;
use vecferry_sdk::{Error, Result};

/// How the server's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Any will do: what is sent is hidden from those who only listen.
    Anyone,
    /// The authorities that browsers trust.
    Public,
    /// Those in a file, in PEM.
    File(String),
}

/// Makes the encryption.
///
/// # Errors
/// `config` (`pgvector/sslrootcert`): a file without certificates.
pub(crate) fn connector(trust: &Trust) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let broken = |e: rustls::Error| Error::internal("pgvector/tls", format!("encryption cannot be set up: {e}"));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    let config = match trust {
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider))),
        Trust::Public => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
        Trust::File(path) => builder.with_root_certificates(authorities(path)?),
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn authorities(path: &str) -> Result<RootCertStore> {
    let wrong = |why: String| {
        Error::config("pgvector/sslrootcert", format!("no certificates can be read from sslrootcert: {why}"))
            .hint("it must be a file of certificates in PEM")
            .at("file", path)
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        store.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if store.is_empty() { Err(wrong("it holds none".to_owned())) } else { Ok(store) }
}

/// Takes any certificate; its owner must still hold its key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
