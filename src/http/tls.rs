//! TLS with the certificate that the settings name.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::error::HttpError;
use crate::{config, file, text};

/// The largest certificate or key file.
const MAX_PEM: u64 = 256 << 10;

const CERTIFICATE: &str = "http.cert_file";
const KEY: &str = "http.key_file";

/// A certificate and the acceptor that uses it.
pub struct Tls {
    /// Accepts connections.
    pub acceptor: TlsAcceptor,
    /// The server's own certificate.
    pub certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads certificate and key; `None` if the settings name none.
    ///
    /// # Errors
    /// [`HttpError`] if a file cannot be used, or the key does not match the certificate.
    pub fn read(settings: &config::Http) -> Result<Option<Self>, HttpError> {
        if settings.cert_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let chain = certificates(&settings.cert_file)?;
        let key = PrivateKeyDer::from_pem_slice(&read(KEY, &settings.key_file)?).map_err(|_| {
            let reason =
                "it holds no private key; a PEM file with 'BEGIN PRIVATE KEY', not encrypted, is needed";
            content(KEY, &settings.key_file, reason)
        })?;
        let certificate = chain[0].clone();
        let unusable = |error: tokio_rustls::rustls::Error| {
            let reason = format!("it does not match {KEY}: {error}");
            content(CERTIFICATE, &settings.cert_file, &reason)
        };
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            certificate,
        }))
    }
}

/// The server's own certificate; `None` if the settings name none.
///
/// # Errors
/// [`HttpError`] if the file cannot be used.
pub fn certificate(settings: &config::Http) -> Result<Option<CertificateDer<'static>>, HttpError> {
    if settings.cert_file.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(certificates(&settings.cert_file)?.into_iter().next())
}

/// At least one certificate, the server's own first.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let pem = read(CERTIFICATE, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => {
            let reason = "it holds no certificate; a PEM file with 'BEGIN CERTIFICATE' is needed";
            Err(content(CERTIFICATE, path, reason))
        }
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, HttpError> {
    file::read(path, MAX_PEM).map_err(|source| HttpError::File {
        key,
        path: text::path(path),
        source,
    })
}

fn content(key: &'static str, path: &Path, reason: &str) -> HttpError {
    HttpError::Content {
        key,
        path: text::path(path),
        reason: reason.to_owned(),
    }
}
