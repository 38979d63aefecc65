//! TLS with the certificate that the settings name.

use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::ring, pki_types::CertificateDer},
};

use super::error::HttpError;
use crate::{config, pem::PemFile};

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
        let certificate = certificate_file(settings);
        let key = PemFile {
            setting: "http.key_file",
            path: &settings.key_file,
        };
        let unusable = |error: rustls::Error| certificate.mismatch(key, "subjectAltName=DNS:NAME", &error);
        let chain = certificate.certificates()?;
        let own = chain[0].clone();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key.private_key()?)
            .map_err(unusable)?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            certificate: own,
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
    Ok(certificate_file(settings).certificates()?.into_iter().next())
}

fn certificate_file(settings: &config::Http) -> PemFile<'_> {
    PemFile {
        setting: "http.cert_file",
        path: &settings.cert_file,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, path::Path, process::Command};

    use tempfile::TempDir;

    use super::*;

    fn openssl(folder: &Path, arguments: &str) {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(arguments.split(' '))
            .output()
            .expect("openssl is needed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The error, or empty.
    fn refusal(folder: &Path) -> String {
        let settings = config::Http {
            cert_file: folder.join("certificate"),
            key_file: folder.join("key"),
            ..config::stack(None, &[], &[]).unwrap().settings.http
        };
        Tls::read(&settings)
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    /// Makes a key on this curve, and a certificate for it.
    fn self_signed(folder: &Path, curve: &str) {
        let request =
            "req -x509 -nodes -keyout key -out certificate -subj /CN=lobby -addext subjectAltName=DNS:lobby";
        openssl(
            folder,
            &format!("{request} -newkey ec -pkeyopt ec_paramgen_curve:{curve}"),
        );
    }

    /// Asserts that the error holds all of these words.
    fn assert_refused(folder: &Path, words: &[&str]) {
        let error = refusal(folder);
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }

    #[test]
    fn the_fault_of_a_certificate_or_key_is_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        self_signed(path, "P-384");
        assert_eq!(refusal(path), "");
        let certificate = fs::read(path.join("certificate")).unwrap();
        let marked = [b"\xef\xbb\xbf", &*certificate].concat();
        fs::write(path.join("certificate"), marked).unwrap();
        assert_eq!(refusal(path), "", "a byte order mark does not matter");

        fs::write(path.join("certificate"), &certificate[..100]).unwrap();
        assert_refused(path, &["http.cert_file", "it is cut off"]);

        self_signed(path, "P-521");
        assert_refused(path, &["http.key_file", "P-256 or P-384"]);

        openssl(
            path,
            "req -new -newkey rsa:2048 -nodes -keyout key -out request -subj /CN=lobby",
        );
        openssl(path, "x509 -req -in request -signkey key -out certificate");
        assert_refused(path, &["http.cert_file", "version 1", "subjectAltName"]);
    }
}
