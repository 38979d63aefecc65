//! Turns settings into what a connection needs: who logs in, and how streams are opened.

use std::path::Path;

use super::{
    connection::{
        login::{Login, Will},
        stream::Connector,
        tls,
    },
    error::PublishError,
    identity::Identity,
    topics::Topics,
};
use crate::{
    config::{self, DeviceId},
    file, text,
};

/// The largest password file: MQTT does not carry longer passwords (MQTT 5, section 3.1.3.6).
const MAX_PASSWORD: u64 = u16::MAX as u64;

/// The daemon's login.
///
/// # Errors
/// [`PublishError`] of kind `Config` if a file cannot be used.
pub fn daemon(settings: &config::Mqtt, identity: &Identity, topics: &Topics) -> Result<Login, PublishError> {
    // A stable client id: when the device reconnects before the broker has noticed that it was gone, the
    // broker ends the old session first. Otherwise the old session's last will would overwrite the new
    // "online".
    Ok(Login {
        will: Some(Will {
            topic: topics.availability.clone(),
            payload: "offline",
        }),
        properties: vec![
            ("affectd".into(), identity.version.clone()),
            ("model".into(), format!("{} {}", identity.model, identity.sha256)),
        ],
        ..login(settings, client_id(settings, &identity.device))?
    })
}

/// The MQTT client id of the daemon on this device.
pub fn client_id(settings: &config::Mqtt, device: &DeviceId) -> String {
    if settings.client_id.is_empty() {
        format!("affectd-{device}")
    } else {
        settings.client_id.clone()
    }
}

/// The login of a client `client_id` without a last will.
///
/// # Errors
/// As for [`daemon`].
pub fn login(settings: &config::Mqtt, client_id: String) -> Result<Login, PublishError> {
    Ok(Login {
        client_id,
        username: settings.username.clone(),
        password: password(settings)?,
        will: None,
        properties: Vec::new(),
    })
}

/// How streams to the brokers are opened.
///
/// # Errors
/// As for [`daemon`].
pub fn connector(settings: &config::Mqtt) -> Result<Connector, PublishError> {
    let path = &settings.websocket_path;
    Ok(Connector {
        tls: tls::tls(settings)?,
        websocket_path: (!path.is_empty()).then(|| path.clone()),
    })
}

fn password(settings: &config::Mqtt) -> Result<Option<Vec<u8>>, PublishError> {
    let path: &Path = &settings.password_file;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    if settings.username.is_empty() {
        return Err(PublishError::config(
            "mqtt.password_file is set but mqtt.username is empty; MQTT allows a password only with a user name",
        ));
    }
    let password = file::read(path, MAX_PASSWORD).map_err(|error| {
        PublishError::config(format!("mqtt.password_file {} cannot be read", text::path(path))).because(error)
    })?;
    let mut password = file::without_bom(password);
    let end = password
        .iter()
        .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
        .map_or(0, |last| last + 1);
    password.truncate(end);
    if password.is_empty() {
        return Err(PublishError::config(format!(
            "mqtt.password_file {} is empty",
            text::path(path)
        )));
    }
    Ok(Some(password))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, io::Write, path::PathBuf, process::Command};

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::{NamedTempFile, TempDir};

    use super::*;
    use crate::publish::{error::PublishErrorKind, samples};

    fn build(change: impl FnOnce(&mut config::Mqtt)) -> Result<(Login, Connector), PublishError> {
        let mut settings = samples::settings();
        change(&mut settings);
        let login = daemon(&settings, &samples::identity(), &samples::topics())?;
        Ok((login, connector(&settings)?))
    }

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn the_password_loses_only_its_line_end_and_the_mark_of_its_encoding() {
        let password = file(b"\xef\xbb\xbf s p\xff \r\n");
        let (login, _) = build(|settings| {
            settings.username = "me".into();
            settings.password_file = password.path().into();
        })
        .unwrap();
        assert_eq!(login.username, "me");
        assert_eq!(login.password.unwrap(), b" s p\xff ");
    }

    #[test]
    fn the_login_names_the_device_its_version_and_its_model() {
        let (login, _) = build(|_| ()).unwrap();
        assert_eq!(login.client_id, "affectd-lobby");
        assert_eq!(login.will.unwrap().topic, "affectd/lobby/availability");
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            login.properties,
            [
                property("affectd", "1.2.3"),
                property("model", "small 0123456789ab")
            ]
        );
        let (login, _) = build(|settings| settings.client_id = "kiosk-7".into()).unwrap();
        assert_eq!(login.client_id, "kiosk-7");
    }

    #[test]
    fn unusable_files_are_named() {
        let no_pem = file(b"not a certificate");
        let bad_pem = file(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let empty = file(b"\n");
        type Change = dyn Fn(&mut config::Mqtt, PathBuf);
        let ca: &Change = &|settings, path| {
            settings.tls = true;
            settings.ca_file = path;
        };
        let password: &Change = &|settings, path| {
            settings.username = "me".into();
            settings.password_file = path;
        };
        for (change, path) in [
            (ca, no_pem.path()),
            (ca, bad_pem.path()),
            (ca, Path::new("/nonexistent/ca.pem")),
            (password, empty.path()),
            (password, Path::new("/nonexistent/password")),
            (ca, Path::new("/dev/zero")),
            (password, Path::new("/dev/zero")),
            (password, Path::new("/dev/null")),
        ] {
            let error = build(|settings| change(settings, path.into())).err().unwrap();
            assert_eq!(error.kind, PublishErrorKind::Config);
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_password_needs_a_user() {
        let password = file(b"secret");
        let error = build(|settings| settings.password_file = password.path().into())
            .err()
            .unwrap();
        assert!(error.to_string().contains("mqtt.username"), "{error}");
    }

    /// A self-signed certificate and its key, in PEM.
    fn certificate() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["lobby".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The connector with a client certificate and key, or the error.
    fn client(certificate: &str, key: &str) -> Result<Connector, String> {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("cert.pem"), certificate).unwrap();
        fs::write(path("key.pem"), key).unwrap();
        let (authority, _) = self::certificate();
        fs::write(path("ca.pem"), authority).unwrap();
        let built = build(|settings| {
            settings.tls = true;
            settings.ca_file = path("ca.pem");
            settings.client_cert_file = path("cert.pem");
            settings.client_key_file = path("key.pem");
        });
        built.map(|(_, connector)| connector).map_err(|error| {
            let source = std::error::Error::source(&error);
            let source = source.map_or_else(String::new, |source| format!(": {source}"));
            format!("{error}{source}")
        })
    }

    #[test]
    fn a_client_certificate_is_used_with_its_key() {
        let (certificate, key) = certificate();
        let connector = client(&certificate, &key).unwrap();
        assert!(
            connector
                .tls
                .unwrap()
                .config
                .client_auth_cert_resolver
                .has_certs()
        );
    }

    #[test]
    fn a_key_of_pkcs_1_is_read() {
        let arguments = ["genrsa", "-traditional", "2048"];
        let output = Command::new("openssl").args(arguments).output();
        let key = String::from_utf8(output.expect("openssl is needed").stdout).unwrap();
        assert!(key.contains("BEGIN RSA PRIVATE KEY"));
        let message = client(&certificate().0, &key).err().unwrap();
        assert!(message.contains("do not belong together"), "{message}");
    }

    #[test]
    fn a_client_certificate_of_version_1_is_named() {
        let folder = TempDir::new().unwrap();
        let openssl = |arguments: &str| {
            let arguments = arguments.split(' ');
            let output = Command::new("openssl")
                .current_dir(&folder)
                .args(arguments)
                .output();
            let output = output.expect("openssl is needed");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        openssl("req -new -newkey rsa:2048 -nodes -keyout key -out request -subj /CN=lobby");
        openssl("x509 -req -in request -signkey key -out certificate -days 30");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let message = client(&read("certificate"), &read("key")).err().unwrap();
        assert!(
            message.contains("X.509 version 1; it must be of version 3"),
            "{message}"
        );
    }

    #[test]
    fn a_certificate_file_that_is_cut_off_is_named_in_words() {
        let (certificate, key) = certificate();
        let message = client(&certificate[..100], &key).err().unwrap();
        let words = "it is cut off: there is no line \"-----END CERTIFICATE-----\"";
        assert!(message.contains(words), "{message}");
        // A mark of the encoding does not matter.
        assert!(client(&format!("\u{feff}{certificate}"), &key).is_ok());
    }

    #[test]
    fn the_fault_of_a_client_certificate_or_key_is_named() {
        let ((certificate, key), (_, other)) = (self::certificate(), self::certificate());
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        for (certificate, key, expected) in [
            (&*certificate, encrypted, "encrypted"),
            (&certificate, traditional, "encrypted"),
            (&certificate, &certificate, "no private key"),
            (&certificate, &other, "do not belong together"),
            (&key, &key, "no certificate"),
        ] {
            let message = client(certificate, key).err().unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }
}
