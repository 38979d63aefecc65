//! Where the broker is.

use super::error::{PublishError, PublishErrorKind};
use crate::config;

/// The broker's name for logs and errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// E.g. `mqtts://host:8883`.
    pub address: String,
    /// The name that the certificate must be for.
    pub host: String,
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
            host: settings.host.clone(),
            authorities: if ca_file.as_os_str().is_empty() {
                "the system's authorities (mqtt.ca_file is not set)".into()
            } else {
                format!("the authorities in {}", ca_file.display())
            },
        }
    }

    /// The error for credentials that the broker does not accept.
    pub fn refuses(&self, refusal: &str) -> PublishError {
        let address = &self.address;
        PublishError::new(
            PublishErrorKind::Refused,
            format!(
                "{address} refuses the credentials ({refusal}): check mqtt.username and mqtt.password_file"
            ),
        )
    }
}

/// A warning about what others in the network can read; `None` with TLS and for a broker on this machine.
#[must_use]
pub fn readable_by_others(settings: &config::Mqtt) -> Option<&'static str> {
    if settings.tls || loopback(&settings.host) {
        None
    } else if settings.password_file.as_os_str().is_empty() {
        Some("without TLS the network can read the messages")
    } else {
        Some("without TLS the network can read the messages and the password")
    }
}

/// The TCP port: by default 8883 with TLS and 1883 without.
pub fn port(settings: &config::Mqtt) -> u16 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::samples;

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
