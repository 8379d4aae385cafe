//! How a client judges a server's certificate where rustls' own way is stricter than Flume's.
//!
//! Only the judgement of the certificate differs. The signature of the handshake is always
//! verified: the server does own the key of the certificate that it shows.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// A verifier that does not ask for the server's name.
#[derive(Debug)]
pub(super) struct NamelessVerifier {
    good: GoodCertificates,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Which certificates are good.
#[derive(Debug)]
pub(super) enum GoodCertificates {
    /// Every one (`trust-all-certs`).
    All,
    /// One that is trusted, whatever name it carries.
    Trusted {
        /// Those in the trust store itself, which need no one to vouch for them. Self-signed ones
        /// are usual, and they often claim to be an authority, which a server must not be elsewhere.
        known: Vec<CertificateDer<'static>>,
        /// Judges all others.
        strict: Arc<WebPkiServerVerifier>,
    },
}

impl NamelessVerifier {
    pub(super) fn new(good: GoodCertificates, provider: &CryptoProvider) -> Self {
        Self {
            good,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for NamelessVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let GoodCertificates::Trusted { known, strict } = &self.good else {
            return Ok(ServerCertVerified::assertion());
        };
        if known.iter().any(|known| known == certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        match strict.verify_server_cert(certificate, chain, name, ocsp, now) {
            // The name is checked last: everything else is valid.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
