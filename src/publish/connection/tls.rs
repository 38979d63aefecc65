//! Turns settings into TLS: the trusted authorities, the client's certificate, the name and the protocol.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore, crypto,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
};

use super::stream::Tls;
use crate::{
    config,
    file::{self, FileError},
    publish::{disconnect::is_of_version_1, error::PublishError},
    text,
};

/// The largest certificate file. Debian's bundle of all authorities has 220 KiB.
const MAX_CERTIFICATES: u64 = 4 << 20;

/// The largest private key file. A 16384-bit RSA key has 13 KiB.
const MAX_KEY: u64 = 64 << 10;

/// The longest name of a PEM section, such as `ENCRYPTED PRIVATE KEY`.
const MAX_LABEL: usize = 30;

/// The byte order mark in UTF-8, with which some editors begin a text.
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// This environment variable names a file of certificates that replaces the system's.
const VARIABLE: &str = "SSL_CERT_FILE";

/// TLS as configured; `None` without it.
///
/// # Errors
/// [`PublishError`] of kind `Config` if a file cannot be used.
pub fn tls(settings: &config::Mqtt) -> Result<Option<Tls>, PublishError> {
    if !settings.tls {
        return Ok(None);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PublishError::config("TLS cannot be used").because(error))?
        .with_root_certificates(authorities(&settings.ca_file)?);
    let mut config = if settings.client_cert_file.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        let (certificate, key) = (&settings.client_cert_file, &settings.client_key_file);
        builder
            .with_client_auth_cert(client_certificate(certificate)?, client_key(key)?)
            .map_err(|error| mismatch(certificate, key, error))?
    };
    if !settings.alpn.is_empty() {
        config.alpn_protocols = vec![settings.alpn.clone().into_bytes()];
    }
    let server_name = match settings.server_name.as_str() {
        "" => None,
        name => Some(ServerName::try_from(name.to_owned()).map_err(|error| {
            PublishError::config(format!("mqtt.server_name {name} cannot be in a certificate")).because(error)
        })?),
    };
    Ok(Some(Tls {
        config: Arc::new(config),
        server_name,
    }))
}

/// Reads the file of the setting `key`, without a byte order mark.
pub fn read(key: &str, path: &Path, max: u64) -> Result<Vec<u8>, PublishError> {
    let mut bytes = file::read(path, max).map_err(|error| {
        PublishError::config(format!("{key} {} cannot be read", text::path(path))).because(error)
    })?;
    if bytes.starts_with(UTF8_BOM) {
        bytes.drain(..UTF8_BOM.len());
    }
    Ok(bytes)
}

/// What is wrong with a PEM file, in words. Nothing that may belong to a key is shown: without line breaks, the
/// whole file is one line.
fn describe_pem(error: pem::Error) -> String {
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

fn unusable(key: &str, path: &Path) -> PublishError {
    PublishError::config(format!("{key} {} is unusable", text::path(path)))
}

/// The certificates in the file, or the system's if no file is set.
fn authorities(path: &Path) -> Result<RootCertStore, PublishError> {
    let mut roots = RootCertStore::empty();
    if path.as_os_str().is_empty() {
        check_variable(env::var_os(VARIABLE))?;
        let found = rustls_native_certs::load_native_certs();
        // A certificate that rustls rejects is skipped; the others remain usable.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let error = PublishError::config(
                "there are no certificate authorities on this system: install ca-certificates, or set mqtt.ca_file",
            );
            return Err(match found.errors.into_iter().next() {
                Some(cause) => error.because(cause),
                None => error,
            });
        }
        return Ok(roots);
    }
    for certificate in certificates("mqtt.ca_file", path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("mqtt.ca_file", path).because(error))?;
    }
    Ok(roots)
}

/// Refuses a file in [`VARIABLE`] that cannot be read to its end. A missing one leaves those of `SSL_CERT_DIR`.
fn check_variable(value: Option<OsString>) -> Result<(), PublishError> {
    let Some(path) = value.map(PathBuf::from) else {
        return Ok(());
    };
    match file::open(&path, MAX_CERTIFICATES) {
        Ok(_) | Err(FileError::Io(_)) => Ok(()),
        Err(error) => Err(PublishError::config(format!(
            "the environment variable {VARIABLE} names {}, which cannot be read; correct it, or set mqtt.ca_file",
            text::path(&path)
        ))
        .because(error)),
    }
}

/// All certificates of a PEM file; at least one.
fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PublishError> {
    let pem = read(key, path, MAX_CERTIFICATES)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| unusable(key, path).because(describe_pem(error)))?;
    if found.is_empty() {
        return Err(unusable(key, path)
            .because("it holds no certificate; a PEM file with 'BEGIN CERTIFICATE' is needed"));
    }
    Ok(found)
}

fn client_certificate(path: &Path) -> Result<Vec<CertificateDer<'static>>, PublishError> {
    certificates("mqtt.client_cert_file", path)
}

/// A private key in PEM: PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curves).
fn client_key(path: &Path) -> Result<PrivateKeyDer<'static>, PublishError> {
    let key = "mqtt.client_key_file";
    let pem = read(key, path, MAX_KEY)?;
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .into_iter()
        .any(|mark| pem.windows(mark.len()).any(|found| found == mark));
    if is_encrypted {
        return Err(unusable(key, path).because(
            "it is encrypted, and nobody is there to ask for its passphrase; store it without one \
             (openssl pkey -in ENCRYPTED -out KEY), readable by the daemon alone",
        ));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let unusable = unusable(key, path);
        match error {
            pem::Error::NoItemsFound => unusable.because(
                "it holds no private key; a PEM file with 'BEGIN PRIVATE KEY', 'BEGIN RSA PRIVATE KEY' or 'BEGIN EC \
                 PRIVATE KEY' is needed",
            ),
            error => unusable.because(describe_pem(error)),
        }
    })
}

/// The certificate and the key were read, but cannot be used together.
fn mismatch(certificate: &Path, key: &Path, error: rustls::Error) -> PublishError {
    let files = format!(
        "mqtt.client_key_file {} and mqtt.client_cert_file {}",
        text::path(key),
        text::path(certificate)
    );
    match error {
        rustls::Error::InconsistentKeys(_) => PublishError::config(format!(
            "{files} do not belong together: the certificate is for another key"
        )),
        rustls::Error::InvalidCertificate(error) if is_of_version_1(&error) => PublishError::config(format!(
            "mqtt.client_cert_file {} cannot be used: it is of X.509 version 1; it must be of version 3 (openssl x509 \
             -req … -extfile FILE, where FILE contains extendedKeyUsage=clientAuth)",
            text::path(certificate)
        )),
        error => PublishError::config(format!("{files} cannot be used")).because(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn a_variable_that_names_no_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        fs::File::create(&large)
            .unwrap()
            .set_len(MAX_CERTIFICATES + 1)
            .unwrap();
        for path in [Path::new("/dev/zero"), folder.path(), &large] {
            let error = check_variable(Some(path.into())).unwrap_err().to_string();
            assert!(
                error.contains(VARIABLE) && error.contains(path.to_str().unwrap()),
                "{error}"
            );
        }
        assert!(check_variable(None).is_ok());
        assert!(check_variable(Some("/nonexistent/ca.pem".into())).is_ok());
    }

    /// Secrets that were passed through a variable have often lost their line breaks.
    #[test]
    fn a_key_without_line_breaks_is_not_shown() {
        const SECRET: &str = "MHcCAQEEIBOrdHQHtIFxmzU3o3";
        let (begin, end) = ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----");
        for (first, second) in [("", ""), (" ", " "), (r"\n", r"\n"), ("", "\n"), ("\n", "")] {
            let file = format!("{begin}{first}{SECRET}{second}{end}\n");
            let error = PrivateKeyDer::from_pem_slice(file.as_bytes()).unwrap_err();
            let words = describe_pem(error);
            assert!(!words.contains(&SECRET[..8]), "{words}");
            assert!(!words.contains("MHcC"), "{words}");
        }
    }

    #[test]
    fn a_key_that_is_cut_off_lacks_its_last_line() {
        let file = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n";
        let words = describe_pem(PrivateKeyDer::from_pem_slice(file).unwrap_err());
        assert_eq!(
            words,
            r#"it is cut off: there is no line "-----END EC PRIVATE KEY-----""#
        );
    }
}
