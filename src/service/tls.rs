//! TLS for the sign-in pages, with a certificate that the administrator brings.
//!
//! Knows PEM files. Refuses to ask clients for certificates, and to offer versions before TLS 1.2, which rustls has not.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::{HttpsConfig, ServiceError};

/// Reads the certificate with its chain, and the key, once: a renewed certificate needs a new start.
///
/// # Errors
/// [`ServiceError::Tls`] with the file and what is wrong with it.
pub(super) fn acceptor(config: &HttpsConfig) -> Result<TlsAcceptor, ServiceError> {
    let fail = |what, file: &Path, reason: String| ServiceError::Tls { what, file: file.to_owned(), reason };
    let certificate = |reason| fail("the certificate", &config.certificate, reason);
    let key = |reason| fail("the key", &config.key, reason);
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| certificate(error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| key(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| certificate(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}
