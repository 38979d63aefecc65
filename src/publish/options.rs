//! Turns settings into the client's options: address, credentials, TLS, last will.

use std::{net::Ipv6Addr, path::Path, sync::Arc};

use rumqttc::{
    LastWill, MqttOptions, QoS, TlsConfiguration, Transport,
    tokio_rustls::rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use super::{destination::port, error::PublishError, identity::Identity, topics::Topics};
use crate::{
    config::{self, DeviceId},
    file, text,
};

/// Longest silence of this client in seconds; the broker gives it up after one and a half times as long.
pub const KEEP_ALIVE_S: u16 = 30;

/// Largest packets in and out, bytes. Discovery outgrows the library's 10 KiB; a larger incoming packet
/// ends the connection, so this lies above the 2 MB that brokers commonly let through.
const MAX_INCOMING: usize = 4 << 20;
const MAX_OUTGOING: usize = 256 << 10;

/// The daemon's options.
///
/// # Errors
/// [`PublishError`] of kind `Config` if a file cannot be used.
pub fn options(
    settings: &config::Mqtt,
    identity: &Identity,
    topics: &Topics,
) -> Result<MqttOptions, PublishError> {
    // A stable client id: when the device reconnects before the broker has noticed that it was gone, the
    // broker ends the old session first. Otherwise the old session's last will would overwrite the new
    // "online".
    let mut options = connection(settings, client_id(&identity.device))?;
    options.set_last_will(LastWill::new(
        &topics.availability,
        "offline",
        QoS::AtLeastOnce,
        true,
    ));
    Ok(options)
}

/// The MQTT client id of the daemon on this device.
pub fn client_id(device: &DeviceId) -> String {
    format!("affectd-{device}")
}

/// How to connect as client `id`: address, credentials and TLS.
///
/// # Errors
/// As for [`options`].
pub fn connection(settings: &config::Mqtt, id: String) -> Result<MqttOptions, PublishError> {
    let host = match settings.host.parse::<Ipv6Addr>() {
        // The library would look for the address with its brackets in the certificate.
        Ok(address) if settings.tls => {
            return Err(PublishError::config(format!(
                "mqtt.host is {address}; with mqtt.tls a name or an IPv4 address is allowed, not an IPv6 address"
            )));
        }
        Ok(address) => format!("[{address}]"),
        Err(_) => settings.host.clone(),
    };
    let mut options = MqttOptions::new(id, (host, port(settings)));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_max_packet_size(MAX_INCOMING, MAX_OUTGOING);
    credentials(settings, &mut options)?;
    if settings.tls {
        options.set_transport(Transport::tls_with_config(tls(&settings.ca_file)?));
    }
    Ok(options)
}

/// The largest password file: MQTT carries no longer password (MQTT 5, section 3.1.3.6).
const MAX_PASSWORD: u64 = 64 << 10;

/// The largest file of certificates. Debian's bundle of all authorities has 220 KiB.
const MAX_CERTIFICATES: u64 = 4 << 20;

fn credentials(settings: &config::Mqtt, options: &mut MqttOptions) -> Result<(), PublishError> {
    let file = &settings.password_file;
    if settings.username.is_empty() {
        if file.as_os_str().is_empty() {
            return Ok(());
        }
        return Err(PublishError::config(
            "mqtt.password_file is set but mqtt.username is empty; MQTT allows a password only with a user name",
        ));
    }
    if file.as_os_str().is_empty() {
        options.set_username(&settings.username);
        return Ok(());
    }
    let mut password = read("mqtt.password_file", file, MAX_PASSWORD)?;
    let end = password
        .iter()
        .rposition(|byte| !matches!(byte, b'\n' | b'\r'))
        .map_or(0, |last| last + 1);
    password.truncate(end);
    if password.is_empty() {
        return Err(PublishError::config(format!(
            "mqtt.password_file {} is empty",
            file.display()
        )));
    }
    options.set_credentials(&settings.username, password);
    Ok(())
}

fn tls(ca_file: &Path) -> Result<TlsConfiguration, PublishError> {
    if ca_file.as_os_str().is_empty() {
        return TlsConfiguration::try_default_rustls().map_err(|error| {
            PublishError::config("cannot use the system's certificate authorities").because(error)
        });
    }
    let unusable = || PublishError::config(format!("mqtt.ca_file {} is unusable", ca_file.display()));
    let pem = read("mqtt.ca_file", ca_file, MAX_CERTIFICATES)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots
            .add(certificate.map_err(|error| unusable().because(error))?)
            .map_err(|error| unusable().because(error))?;
    }
    if roots.is_empty() {
        return Err(
            unusable().because("it holds no certificate; a PEM file with 'BEGIN CERTIFICATE' is needed")
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable().because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

fn read(key: &str, path: &Path, max: u64) -> Result<Vec<u8>, PublishError> {
    file::read(path, max).map_err(|error| {
        PublishError::config(format!("{key} {} cannot be read", text::path(path))).because(error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{io::Write, path::PathBuf};

    use rumqttc::ConnectAuth;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::publish::{error::PublishErrorKind, samples};

    fn build(change: impl FnOnce(&mut config::Mqtt)) -> Result<MqttOptions, PublishError> {
        let mut settings = samples::settings();
        change(&mut settings);
        let topics = samples::topics();
        options(&settings, &samples::identity(), &topics)
    }

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn the_password_loses_only_its_line_end() {
        let password = file(b" s p\xff \r\n");
        let options = build(|settings| {
            settings.username = "me".into();
            settings.password_file = password.path().into();
        })
        .unwrap();
        let ConnectAuth::UsernamePassword { username, password } = options.auth() else {
            panic!("no password");
        };
        assert_eq!((username.as_str(), &password[..]), ("me", &b" s p\xff "[..]));
    }

    #[test]
    fn the_will_says_offline() {
        let will = build(|_| ()).unwrap().last_will().unwrap();
        assert_eq!(will.topic, "affectd/lobby/availability");
        assert_eq!(
            (&will.message[..], will.qos, will.retain),
            (&b"offline"[..], QoS::AtLeastOnce, true)
        );
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

    #[test]
    fn an_ipv6_address_is_bracketed_but_not_with_tls() {
        let host = |tls| {
            build(|settings| {
                settings.host = "::1".into();
                settings.tls = tls;
            })
        };
        assert_eq!(host(false).unwrap().broker().tcp_address(), Some(("[::1]", 1883)));
        assert_eq!(host(true).err().unwrap().kind, PublishErrorKind::Config);
    }
}
