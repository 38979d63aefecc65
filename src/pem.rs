//! Certificates and private keys in PEM files (RFC 7468), which settings name.

use std::path::Path;

use tokio_rustls::rustls::{
    self, CertificateError,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use crate::{
    file::{self, FileError},
    text,
};

/// The largest certificate file. Debian's bundle of all authorities has 220 KiB.
pub const MAX_CERTIFICATES: u64 = 4 << 20;

/// The largest private key file. A 16384-bit RSA key has 13 KiB.
const MAX_KEY: u64 = 64 << 10;

/// The longest name of a PEM section, such as `ENCRYPTED PRIVATE KEY`.
const MAX_LABEL: usize = 30;

/// The keys that the TLS library supports.
pub const SUPPORTED_KEYS: &str = "RSA with 2048 bits or more, EC with P-256 or P-384, or Ed25519";

/// Why a certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("{setting} cannot be read")]
    File {
        /// The setting and its value.
        setting: String,
        /// The cause.
        source: FileError,
    },
    /// The file has unusable content, or does not belong to the other file.
    #[error("{setting} {reason}")]
    Content {
        /// The setting and its value, or two of them.
        setting: String,
        /// What was found and what is allowed. Never holds a secret.
        reason: String,
    },
}

/// A setting that names a PEM file.
#[derive(Debug, Clone, Copy)]
pub struct PemFile<'a> {
    /// The setting, such as `http.cert_file`.
    pub setting: &'static str,
    /// Its value.
    pub path: &'a Path,
}

impl PemFile<'_> {
    /// All certificates in the file; at least one.
    ///
    /// # Errors
    /// [`PemError`] if the file cannot be read, is damaged or holds no certificate.
    pub fn certificates(self) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let pem = self.read(MAX_CERTIFICATES)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let found = found.map_err(|error| self.unusable(&describe(error)))?;
        if found.is_empty() {
            return Err(
                self.unusable("it holds no certificate; a PEM file with 'BEGIN CERTIFICATE' is needed")
            );
        }
        Ok(found)
    }

    /// The private key in the file: PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curves).
    ///
    /// # Errors
    /// [`PemError`] if the file cannot be read, is damaged, is encrypted or holds no private key.
    pub fn private_key(self) -> Result<PrivateKeyDer<'static>, PemError> {
        let pem = self.read(MAX_KEY)?;
        let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
            .into_iter()
            .any(|mark| pem.windows(mark.len()).any(|found| found == mark));
        if is_encrypted {
            return Err(self.unusable(
                "it is encrypted, and nobody is there to ask for its passphrase; store it without one (openssl pkey \
                 -in ENCRYPTED -out KEY), readable by the daemon alone",
            ));
        }
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
            pem::Error::NoItemsFound => self.unusable(
                "it holds no private key; a PEM file with 'BEGIN PRIVATE KEY', 'BEGIN RSA PRIVATE KEY' or 'BEGIN EC \
                 PRIVATE KEY' is needed",
            ),
            error => self.unusable(&describe(error)),
        })
    }

    /// Why this certificate and this private key cannot be used together. `extension`: what a
    /// certificate for this purpose must contain, as in a file for openssl.
    #[must_use]
    pub fn mismatch(self, private_key: PemFile<'_>, extension: &str, error: &rustls::Error) -> PemError {
        match error {
            rustls::Error::InconsistentKeys(_) => PemError::Content {
                setting: format!("{} and {}", private_key.shown(), self.shown()),
                reason: "do not belong together: the certificate is for another key".to_owned(),
            },
            rustls::Error::InvalidCertificate(error) if is_of_version_1(error) => self.unusable(&format!(
                "it is of X.509 version 1; it must be of version 3 (openssl x509 -req … -extfile FILE, where FILE \
                 contains {extension})"
            )),
            // rustls has no error of its own for a key that its provider does not know.
            rustls::Error::General(words) => private_key.unusable(&format!(
                "its private key is damaged or of a kind that is not supported; it must be {SUPPORTED_KEYS} ({words})"
            )),
            rustls::Error::InvalidCertificate(error) => {
                self.unusable(&format!("it is damaged, or not an X.509 certificate ({error})"))
            }
            error => self.unusable(&error.to_string()),
        }
    }

    fn read(self, max: u64) -> Result<Vec<u8>, PemError> {
        let bytes = file::read(self.path, max).map_err(|source| PemError::File {
            setting: self.shown(),
            source,
        })?;
        Ok(file::without_bom(bytes))
    }

    fn unusable(self, reason: &str) -> PemError {
        PemError::Content {
            setting: self.shown(),
            reason: format!("is unusable: {reason}"),
        }
    }

    fn shown(self) -> String {
        format!("{} {}", self.setting, text::path(self.path))
    }
}

/// Whether a certificate has no extensions, which rustls requires.
#[must_use]
pub fn is_of_version_1(error: &CertificateError) -> bool {
    error.to_string().contains("UnsupportedCertVersion")
}

/// What is wrong with a PEM file, in words. Nothing that may belong to a key is shown: without line breaks,
/// the whole file is one line.
fn describe(error: pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let is_label = end_marker.len() <= MAX_LABEL
                && end_marker
                    .iter()
                    .all(|byte| byte.is_ascii_uppercase() || *byte == b' ');
            if is_label {
                let label = String::from_utf8_lossy(&end_marker);
                format!("it is cut off: there is no line \"-----END {label}-----\"")
            } else {
                "it is cut off, or its line breaks are missing".to_owned()
            }
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a line that begins a section does not end in -----: are its line breaks missing?".to_owned()
        }
        pem::Error::Base64Decode(error) => format!("a section is not base64 text: {error}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Secrets that were passed through a variable have often lost their line breaks.
    #[test]
    fn a_key_without_line_breaks_is_not_shown() {
        const SECRET: &str = "MHcCAQEEIBOrdHQHtIFxmzU3o3";
        let (begin, end) = ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----");
        for (first, second) in [("", ""), (" ", " "), (r"\n", r"\n"), ("", "\n"), ("\n", "")] {
            let file = format!("{begin}{first}{SECRET}{second}{end}\n");
            let error = PrivateKeyDer::from_pem_slice(file.as_bytes()).unwrap_err();
            let words = describe(error);
            assert!(!words.contains(&SECRET[..8]), "{words}");
            assert!(!words.contains("MHcC"), "{words}");
        }
    }

    #[test]
    fn a_key_that_is_cut_off_lacks_its_last_line() {
        let file = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n";
        let words = describe(PrivateKeyDer::from_pem_slice(file).unwrap_err());
        assert_eq!(
            words,
            r#"it is cut off: there is no line "-----END EC PRIVATE KEY-----""#
        );
    }
}
