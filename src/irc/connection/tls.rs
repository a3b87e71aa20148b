//! Whose certificate a network may show, and which one we show.
//!
//! Knows the system's authorities, the network's own, and one certificate by its fingerprint; says what is wrong with a
//! certificate and which key mends it. Refuses to know sockets.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

/// The SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, colons between them or not; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u32> =
            text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        let bytes = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(0));
        let bytes: Vec<u8> = bytes.collect();
        (digits.len() == 64).then(|| bytes.try_into().ok().map(Self))?
    }

    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A certificate of ours, with what comes with it, and its key.
#[derive(Debug)]
pub struct ClientCertificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What a network's configuration says of TLS.
#[derive(Debug, Default)]
pub struct TlsSettings {
    /// The key of the network in the configuration, for messages: `irc.networks.libera`.
    pub key: String,
    /// Authorities besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The one certificate that the network may show, whoever signed it.
    pub fingerprint: Option<Fingerprint>,
    /// The name that the certificate must be for, if not the host's.
    pub name: Option<String>,
    /// What the bot shows.
    pub certificate: Option<ClientCertificate>,
}

/// TLS, ready to connect with.
#[derive(Debug, Clone)]
pub struct Tls {
    pub(super) bot: Arc<ClientConfig>,
    pub(super) puppet: Arc<ClientConfig>,
    pub(super) name: Option<String>,
    pub(super) key: String,
}

impl Tls {
    /// Reads the system's authorities.
    ///
    /// # Errors
    /// The client certificate and its key do not belong together, or an authority is no certificate.
    pub fn new(settings: TlsSettings) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let judge = Arc::new(Judge::new(&settings, provider.clone())?);
        let builder = || {
            let builder =
                ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
            Ok::<_, Error>(builder?.dangerous().with_custom_certificate_verifier(judge.clone()))
        };
        let puppet = Arc::new(builder()?.with_no_client_auth());
        let bot = match settings.certificate {
            Some(ClientCertificate { chain, key }) => Arc::new(builder()?.with_client_auth_cert(chain, key)?),
            None => puppet.clone(),
        };
        Ok(Self { bot, puppet, name: settings.name, key: settings.key })
    }
}

/// Looks at the network's certificate.
#[derive(Debug)]
struct Judge {
    /// `None` where nobody is trusted.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    fingerprint: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
    key: String,
}

impl Judge {
    fn new(settings: &TlsSettings, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        if settings.fingerprint.is_none() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for authority in &settings.authorities {
            roots.add(authority.clone())?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let (fingerprint, key) = (settings.fingerprint, settings.key.clone());
        Ok(Self { authorities: verifier.ok(), fingerprint, provider, key })
    }

    /// What is wrong with a certificate, and which key mends it.
    fn objection(&self, error: &Error, shown: Fingerprint) -> String {
        let key = &self.key;
        let alone = format!("{key}.fingerprint: {shown} trusts this certificate alone");
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
                "its certificate is signed by nobody whom this machine trusts; {key}.ca_file names a file with its \
                 authority, or {alone}"
            ),
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => {
                format!("its certificate is for another name; {key}.tls_name says which is right, or {alone}")
            }
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => format!("its certificate has expired; {alone}"),
            // The library has no word of its own for an authority that shows itself.
            other if other.to_string().contains("CaUsedAsEndEntity") => {
                format!("its certificate is signed by itself; {alone}")
            }
            other => format!("its certificate is refused ({other}); {alone}"),
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(end_entity);
        if let Some(wanted) = self.fingerprint {
            let key = &self.key;
            return match shown == wanted {
                true => Ok(ServerCertVerified::assertion()),
                false => Err(Error::General(format!(
                    "its certificate has the fingerprint {shown}, and {key}.fingerprint is another"
                ))),
            };
        }
        let Some(authorities) = &self.authorities else {
            let error = Error::InvalidCertificate(CertificateError::UnknownIssuer);
            return Err(Error::General(self.objection(&error, shown)));
        };
        let verified =
            authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| Error::General(self.objection(&error, shown)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A failed handshake in words. `key` is the network's, as in the configuration.
pub(super) fn explain(error: &io::Error, key: &str) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::General(text)) => text.clone(),
        Some(Error::InvalidMessage(_)) => {
            format!("it does not speak TLS at that port; correct {key}.port, or set {key}.tls: false")
        }
        Some(other) => format!("TLS failed: {other}"),
        None => format!("TLS failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_colons_or_without() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Fingerprint::parse(&plain), Fingerprint::parse(&colons));
        assert_eq!(Fingerprint::parse(&plain).unwrap().to_string(), plain);
        for text in ["", "ab", &"ab".repeat(33), &"zz".repeat(32), &"a".repeat(63)] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
