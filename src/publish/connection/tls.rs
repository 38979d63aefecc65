//! Turns settings into TLS: the trusted authorities, the client's certificate, the name and the protocol.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto, pki_types::ServerName};

use super::stream::Tls;
use crate::{
    config,
    file::{self, FileError},
    pem::{MAX_CERTIFICATES, PemFile},
    publish::error::PublishError,
    text,
};

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
        let certificate = PemFile {
            setting: "mqtt.client_cert_file",
            path: &settings.client_cert_file,
        };
        let key = PemFile {
            setting: "mqtt.client_key_file",
            path: &settings.client_key_file,
        };
        builder
            .with_client_auth_cert(certificate.certificates()?, key.private_key()?)
            .map_err(|error| certificate.mismatch(key, "extendedKeyUsage=clientAuth", &error))?
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
    let setting = "mqtt.ca_file";
    for certificate in (PemFile { setting, path }).certificates()? {
        roots.add(certificate).map_err(|error| {
            PublishError::config(format!(
                "{setting} {} is unusable: it is damaged, or not an X.509 certificate",
                text::path(path)
            ))
            .because(error)
        })?;
    }
    Ok(roots)
}

/// Refuses a file in [`VARIABLE`] that cannot be read to its end. A missing one leaves those of
/// `SSL_CERT_DIR`.
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
}
