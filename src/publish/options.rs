//! From settings to the client's options: address, credentials, TLS, last will.

use std::{fs, net::Ipv6Addr, path::Path, sync::Arc};

use rumqttc::{
    LastWill, MqttOptions, QoS, TlsConfiguration, Transport,
    tokio_rustls::rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use super::{Identity, PublishError, PublishErrorKind, topics::Topics};
use crate::config;

/// Seconds between two signs of life, in both directions.
pub const KEEP_ALIVE_S: u16 = 30;

/// Largest packets in and out, bytes. Discovery outgrows the library's 10 KiB; a larger incoming packet
/// ends the connection, so this lies above the 2 MB that brokers commonly let through.
const MAX_INCOMING: usize = 4 << 20;
const MAX_OUTGOING: usize = 256 << 10;

/// The broker in words, for logs and errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// E.g. `mqtts://host:8883`.
    pub address: String,
    /// Whose certificates are trusted.
    pub authorities: String,
}

impl Destination {
    /// The broker of `settings`.
    #[must_use]
    pub fn new(settings: &config::Mqtt) -> Self {
        let scheme = if settings.tls { "mqtts" } else { "mqtt" };
        let ca_file = &settings.ca_file;
        Self {
            address: format!("{scheme}://{}:{}", settings.host, port(settings)),
            authorities: if ca_file.as_os_str().is_empty() {
                "the system's authorities (mqtt.ca_file is not set)".into()
            } else {
                format!("the authorities in {}", ca_file.display())
            },
        }
    }

    /// The error for credentials that the broker does not take.
    pub fn refuses(&self, refusal: &str) -> PublishError {
        PublishError {
            kind: PublishErrorKind::Refused,
            reason: format!(
                "{} refuses the credentials ({refusal}): check mqtt.username and mqtt.password_file",
                self.address
            ),
        }
    }
}

/// The daemon's options.
///
/// # Errors
/// Of kind [`PublishErrorKind::Config`] if a file cannot be used.
pub fn options(
    settings: &config::Mqtt,
    identity: &Identity,
    topics: &Topics,
) -> Result<MqttOptions, PublishError> {
    // A steady client id: when the device comes back before the broker noticed that it was gone, the broker
    // ends the old session first. Otherwise the old session's will would overwrite the new "online".
    let mut options = connection(settings, format!("affectd-{}", identity.device))?;
    options.set_last_will(LastWill::new(
        &topics.availability,
        "offline",
        QoS::AtLeastOnce,
        true,
    ));
    Ok(options)
}

/// How to connect as client `id`: address, credentials and TLS.
///
/// # Errors
/// As for [`options`].
pub fn connection(settings: &config::Mqtt, id: String) -> Result<MqttOptions, PublishError> {
    let host = match settings.host.parse::<Ipv6Addr>() {
        // The client's library would look the brackets up in the certificate.
        Ok(address) if settings.tls => {
            return Err(PublishError::config(format!(
                "mqtt.host is {address}; with mqtt.tls a name or an IPv4 address is allowed, no IPv6 address"
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

/// What others on the way to the broker can read, in words; `None` with TLS and on this machine.
pub fn readable_by_others(settings: &config::Mqtt) -> Option<&'static str> {
    if settings.tls || loopback(&settings.host) {
        None
    } else if settings.password_file.as_os_str().is_empty() {
        Some("without TLS everyone on the way can read the messages")
    } else {
        Some("without TLS everyone on the way can read the messages and the password")
    }
}

fn port(settings: &config::Mqtt) -> u16 {
    match (settings.port, settings.tls) {
        (0, true) => 8883,
        (0, false) => 1883,
        (port, _) => port,
    }
}

fn loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn credentials(settings: &config::Mqtt, options: &mut MqttOptions) -> Result<(), PublishError> {
    let file = &settings.password_file;
    if settings.username.is_empty() {
        if file.as_os_str().is_empty() {
            return Ok(());
        }
        return Err(PublishError::config(
            "mqtt.password_file is set but mqtt.username is empty; MQTT allows a password only with a user name"
                .into(),
        ));
    }
    if file.as_os_str().is_empty() {
        options.set_username(&settings.username);
        return Ok(());
    }
    let mut password = read("mqtt.password_file", file)?;
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
            PublishError::config(format!(
                "cannot use the system's certificate authorities: {error}"
            ))
        });
    }
    let unusable = |what: &dyn std::fmt::Display| {
        PublishError::config(format!("mqtt.ca_file {} is unusable: {what}", ca_file.display()))
    };
    let pem = read("mqtt.ca_file", ca_file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots
            .add(certificate.map_err(|error| unusable(&error))?)
            .map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(
            &"it holds no certificate; a PEM file with 'BEGIN CERTIFICATE' is needed",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, PublishError> {
    fs::read(path)
        .map_err(|error| PublishError::config(format!("{key} {} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{io::Write, path::PathBuf};

    use rumqttc::ConnectAuth;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::publish::samples;

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

    #[test]
    fn ports_follow_tls() {
        let address = |port, tls| {
            let settings = config::Mqtt {
                host: "broker".into(),
                port,
                tls,
                ..samples::settings()
            };
            Destination::new(&settings).address
        };
        assert_eq!(address(0, true), "mqtts://broker:8883");
        assert_eq!(address(0, false), "mqtt://broker:1883");
        assert_eq!(address(1234, true), "mqtts://broker:1234");
    }
}
