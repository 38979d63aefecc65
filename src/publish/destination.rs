//! Where the brokers are.

use std::{net::IpAddr, path::PathBuf};

use super::{
    connection::{endpoint::Endpoint, reasons::NOT_AUTHORIZED},
    error::{PublishError, PublishErrorKind},
};
use crate::{
    config::{self, MqttVersion},
    text,
};

/// One broker, and its names for logs and errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// E.g. `mqtts://host:8883`.
    pub address: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The name that the certificate must be for.
    pub server_name: String,
    /// The setting and the name that the certificate must be for.
    pub certificate_name: String,
    /// Whose certificates are trusted.
    pub authorities: String,
    /// The file of the client certificate, if there is one.
    pub client_certificate: Option<String>,
    /// The message about a broker that speaks none of the configured versions.
    pub wrong_version: &'static str,
    /// What to do about refused credentials.
    credentials: &'static str,
    /// What else it may mean that the broker closes the connection instead of accepting it; empty if the
    /// broker would say so.
    pub unsaid: &'static str,
}

impl Destination {
    /// The brokers of `settings`, in the order in which they are tried.
    #[must_use]
    pub fn all(settings: &config::Mqtt) -> Vec<Self> {
        let hosts = settings.host.iter();
        hosts.map(|host| Self::new(settings, host)).collect()
    }

    fn new(settings: &config::Mqtt, host: &str) -> Self {
        let endpoint = if host.starts_with('/') {
            Endpoint::Unix(PathBuf::from(host))
        } else {
            Endpoint::Tcp {
                host: host.into(),
                port: port(settings),
            }
        };
        let (ca_file, certificate) = (&settings.ca_file, &settings.client_cert_file);
        let server_name = &settings.server_name;
        Self {
            address: address(settings, &endpoint),
            endpoint,
            server_name: if server_name.is_empty() { host } else { server_name }.into(),
            certificate_name: if server_name.is_empty() {
                format!("mqtt.host, {host}")
            } else {
                format!("mqtt.server_name, {server_name}")
            },
            authorities: if ca_file.as_os_str().is_empty() {
                "the system's authorities (mqtt.ca_file is not set)".into()
            } else {
                format!("the authorities in {}", text::path(ca_file))
            },
            client_certificate: (!certificate.as_os_str().is_empty()).then(|| text::path(certificate)),
            wrong_version: match settings.version {
                MqttVersion::Auto => "it speaks neither MQTT 5 nor MQTT 3.1.1",
                MqttVersion::V5 => "it does not speak MQTT 5: set mqtt.version to auto or 3.1.1",
                MqttVersion::V311 => "it does not speak MQTT 3.1.1: set mqtt.version to auto or 5",
            },
            credentials: match (
                settings.username.is_empty(),
                settings.password_file.as_os_str().is_empty(),
            ) {
                (true, _) => "no user name was sent: set mqtt.username and mqtt.password_file",
                (false, true) => {
                    "no password was sent, because mqtt.password_file is empty: set it, or if only the unit has it, \
                     use sudo AFFECTD_MQTT__PASSWORD_FILE=FILE affectd check"
                }
                (false, false) => "check mqtt.username and mqtt.password_file",
            },
            unsaid: match settings.version {
                MqttVersion::Auto | MqttVersion::V5 => "",
                MqttVersion::V311 => {
                    "; with MQTT 3.1.1 a broker cannot say that it lacks QoS 1 or retained messages, which this device \
                     needs: mqtt.version = auto shows it"
                }
            },
        }
    }

    /// The error for credentials that the broker does not accept.
    pub fn refuses(&self, refusal: &str) -> PublishError {
        let address = &self.address;
        // mosquitto's clientid_prefixes
        let id = if refusal == NOT_AUTHORIZED {
            ", and mqtt.client_id if the broker permits only some client ids"
        } else {
            ""
        };
        PublishError::new(
            PublishErrorKind::Refused,
            format!(
                "{address} refuses the credentials ({refusal}): {}{id}",
                self.credentials
            ),
        )
    }
}

fn address(settings: &config::Mqtt, endpoint: &Endpoint) -> String {
    let (host, port) = match endpoint {
        Endpoint::Unix(path) => return format!("unix:{}", text::path(path)),
        Endpoint::Tcp { host, port } => (host, port),
    };
    let scheme = match (settings.websocket_path.is_empty(), settings.tls) {
        (true, false) => "mqtt",
        (true, true) => "mqtts",
        (false, false) => "ws",
        (false, true) => "wss",
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    format!(
        "{scheme}://{host}:{port}{}",
        text::redacted(&settings.websocket_path)
    )
}

/// A warning about what others in the network can read; `None` with TLS and for brokers on this machine.
pub fn readable_by_others(settings: &config::Mqtt) -> Option<&'static str> {
    if settings.tls || settings.host.iter().all(|host| is_local(host)) {
        None
    } else if settings.password_file.as_os_str().is_empty() {
        Some("without TLS the network can read the messages")
    } else {
        Some("without TLS the network can read the messages and the password")
    }
}

/// The TCP port; by default the standard one of MQTT or, with WebSocket, of HTTP.
fn port(settings: &config::Mqtt) -> u16 {
    match (settings.port, settings.tls, settings.websocket_path.is_empty()) {
        (0, true, true) => 8883,
        (0, false, true) => 1883,
        (0, true, false) => 443,
        (0, false, false) => 80,
        (port, ..) => port,
    }
}

/// Whether messages to this host stay on this machine.
fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::samples;

    fn addresses(change: impl FnOnce(&mut config::Mqtt)) -> Vec<String> {
        let mut settings = samples::settings();
        settings.host = vec!["broker".into()];
        change(&mut settings);
        let all = Destination::all(&settings);
        all.into_iter().map(|destination| destination.address).collect()
    }

    #[test]
    fn ports_follow_tls_and_websocket() {
        assert_eq!(addresses(|_| ()), ["mqtt://broker:1883"]);
        assert_eq!(addresses(|settings| settings.tls = true), ["mqtts://broker:8883"]);
        assert_eq!(
            addresses(|settings| (settings.tls, settings.port) = (true, 1234)),
            ["mqtts://broker:1234"]
        );
        let path = || "/mqtt".to_owned();
        assert_eq!(
            addresses(|settings| settings.websocket_path = path()),
            ["ws://broker:80/mqtt"]
        );
        assert_eq!(
            addresses(|settings| (settings.tls, settings.websocket_path) = (true, path())),
            ["wss://broker:443/mqtt"]
        );
    }

    #[test]
    fn every_host_is_a_destination() {
        let hosts = ["one", "::1", "/run/mosquitto.sock"].map(String::from);
        assert_eq!(
            addresses(|settings| settings.host = hosts.into()),
            ["mqtt://one:1883", "mqtt://[::1]:1883", "unix:/run/mosquitto.sock"]
        );
    }

    #[test]
    fn only_other_machines_need_a_warning() {
        let warning = |hosts: &[&str]| {
            readable_by_others(&config::Mqtt {
                host: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ..samples::settings()
            })
        };
        assert_eq!(warning(&["localhost", "127.0.0.1", "/run/mosquitto.sock"]), None);
        assert!(warning(&["localhost", "broker"]).is_some());
    }
}
