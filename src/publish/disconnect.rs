//! Why there is no connection, in words that help a person.

use std::{
    io,
    mem::{Discriminant, discriminant},
    net::{IpAddr, SocketAddr},
};

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::{
    connection::{
        filtered::Rejected, foreign_protocol::ForeignProtocol, login::KEEP_ALIVE_S, reasons::Refusal,
    },
    destination::Destination,
};
use crate::{
    pem::{SUPPORTED_KEYS, is_of_version_1},
    text,
};

/// Why a connection ended or could not be made.
#[derive(Debug)]
pub enum DisconnectReason {
    /// The broker's name could not be looked up.
    Lookup(io::Error),
    /// There is no connection to this address, or to the Unix socket.
    Connect(Option<SocketAddr>, io::Error),
    /// TLS failed because of a system error.
    TlsStream(io::Error),
    /// TLS itself failed.
    Tls(rustls::Error),
    /// The WebSocket could not be opened.
    WebSocket(String),
    /// The broker accepts the connection but does not answer in time.
    Unanswered,
    /// It refuses the connection.
    Refused(Refusal),
    /// It does not speak the version of MQTT that was asked for.
    WrongVersion,
    /// It closed the connection without giving a reason.
    Closed(Option<io::Error>),
    /// It ended the connection and says why (MQTT 5).
    Ended {
        /// Its reason code in words.
        words: &'static str,
        /// Whether another client has taken over the session.
        is_takeover: bool,
        /// What it adds in its own words.
        text: Option<String>,
    },
    /// Something other than a broker answers.
    ForeignProtocol(ForeignProtocol),
    /// What it sends is not MQTT, or is invalid.
    NotMqtt,
    /// The broker left messages unacknowledged and sent nothing else.
    Silence,
    /// Anything else, in the library's words.
    Other(String),
}

/// See [`DisconnectReason::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    reason: Discriminant<DisconnectReason>,
    tls: Option<Discriminant<rustls::Error>>,
    certificate: Option<Discriminant<CertificateError>>,
    io: Option<io::ErrorKind>,
    words: Option<&'static str>,
}

impl DisconnectReason {
    /// An error while reading or writing.
    pub fn io(error: io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(error.clone());
        }
        match inner.and_then(|inner| inner.downcast_ref()) {
            Some(Rejected::EarlierVersion) => Self::WrongVersion,
            Some(Rejected::ForeignProtocol(ForeignProtocol::Unknown)) => Self::NotMqtt,
            Some(Rejected::ForeignProtocol(protocol)) => Self::ForeignProtocol(*protocol),
            Some(rejected @ Rejected::TooLarge(_)) => Self::Other(rejected.to_string()),
            None => Self::Closed(Some(error)),
        }
    }

    /// An error of the TLS handshake.
    pub fn tls(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::Unanswered;
        }
        match Self::io(error) {
            Self::Closed(Some(error)) => Self::TlsStream(error),
            reason => reason,
        }
    }

    /// Why the broker refused the credentials, if it did.
    pub fn refused_credentials(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) if refusal.is_about_credentials => Some(refusal.words),
            _ => None,
        }
    }

    /// Whether a broker that does not speak the version of MQTT may end a connection this way before
    /// accepting it.
    pub fn may_be_about_the_version(&self) -> bool {
        matches!(self, Self::WrongVersion | Self::Closed(_) | Self::NotMqtt)
    }

    /// Whether the broker closed the connection without an error of its own.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The part of the reason by which repetitions are recognized, so they are logged only once. Its text is
    /// unsuitable, because it may hold the time.
    pub fn kind(&self) -> Kind {
        let (tls, certificate) = match self {
            Self::Tls(error @ rustls::Error::InvalidCertificate(certificate)) => {
                (Some(discriminant(error)), Some(discriminant(certificate)))
            }
            Self::Tls(error) => (Some(discriminant(error)), None),
            _ => (None, None),
        };
        Kind {
            reason: discriminant(self),
            tls,
            certificate,
            io: match self {
                Self::Lookup(error) | Self::Connect(_, error) => Some(error.kind()),
                _ => None,
            },
            words: match self {
                Self::Refused(Refusal { words, .. }) | Self::Ended { words, .. } => Some(words),
                Self::ForeignProtocol(protocol) => Some(protocol.describe()),
                _ => None,
            },
        }
    }

    /// Whether a broker may end the connection this way because of a message that it rejects.
    pub fn may_be_about_a_message(&self) -> bool {
        match self {
            Self::Closed(_) | Self::NotMqtt => true,
            Self::Ended { is_takeover, .. } => !is_takeover,
            _ => false,
        }
    }

    /// A question that helps if `destination` has never accepted the connection; empty if [`Self::describe`]
    /// says enough.
    pub fn question(&self, destination: &Destination) -> String {
        match self {
            Self::Tls(rustls::Error::InvalidMessage(_)) | Self::TlsStream(_) => {
                ": is this a broker's port, and is mqtt.tls right for it?".into()
            }
            Self::Closed(_) => format!(
                ": is this a broker's port, and are mqtt.tls and mqtt.websocket_path right for it?{}",
                destination.unsaid
            ),
            Self::NotMqtt => {
                ": is this a broker's port, and are mqtt.tls and mqtt.websocket_path right for it?".into()
            }
            Self::WebSocket(_) => {
                ": is this a broker's port for WebSocket, and is mqtt.websocket_path right for it?".into()
            }
            _ => String::new(),
        }
    }

    /// What happened and, if there is one, the remedy.
    pub fn describe(&self, destination: &Destination) -> String {
        match self {
            Self::Lookup(error) | Self::Connect(_, error) => error.to_string(),
            Self::TlsStream(error) => format!("no TLS ({error})"),
            Self::Tls(error) => describe_tls(error, destination),
            Self::WebSocket(error) => format!("no WebSocket ({error})"),
            Self::Unanswered => "it takes the connection but does not answer".into(),
            Self::Refused(refusal) => format!("refused, {}", refusal.words),
            Self::WrongVersion => destination.wrong_version.into(),
            Self::Closed(Some(error)) => format!("it closes the connection ({error})"),
            Self::Closed(None) => "it closes the connection".into(),
            Self::Ended { words, text, .. } => {
                let text = text
                    .as_ref()
                    .map_or_else(String::new, |text| format!(" ({text})"));
                format!("it ends the connection: {words}{text}")
            }
            Self::ForeignProtocol(protocol) => protocol.describe().into(),
            Self::NotMqtt => ForeignProtocol::Unknown.describe().into(),
            Self::Silence => format!("no answer for {KEEP_ALIVE_S} s"),
            Self::Other(words) => words.clone(),
        }
    }
}

/// The longest error of the TLS library that is shown, in characters.
const MAX_TLS_ERROR: usize = 400;

fn describe_tls(error: &rustls::Error, destination: &Destination) -> String {
    let hint = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => format!(
                "; its certificate must be signed by one of {}",
                destination.authorities
            ),
            CertificateError::BadSignature => format!(
                "; its certificate must be signed by one of {}, and an RSA key must have 2048 bits or more",
                destination.authorities
            ),
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                return format!(
                    "invalid peer certificate: it is signed with an algorithm that is not accepted, such as SHA-1; sign \
                     it with SHA-256 and a key that is {SUPPORTED_KEYS}"
                );
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => "; is this device's clock right?".into(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "; its certificate must have a subjectAltName for {}: a common name does not count",
                    destination.certificate_name
                )
            }
            // A certificate authority's own certificate, as `openssl req -x509` creates it.
            _ if certificate.to_string().contains("CaUsedAsEndEntity") => {
                return "invalid peer certificate: it is a certificate authority's own (CA:TRUE); the broker needs one \
                        that the authority has signed for its name"
                    .into();
            }
            // As `openssl x509 -req` creates it without extensions.
            _ if is_of_version_1(certificate) => {
                let name = &destination.server_name;
                let kind = if name.parse::<IpAddr>().is_ok() {
                    "IP"
                } else {
                    "DNS"
                };
                return format!(
                    "invalid peer certificate: it is of X.509 version 1; it must be of version 3 and have a \
                     subjectAltName for {name} (openssl x509 -req … -extfile FILE, where FILE contains \
                     subjectAltName={kind}:{name})"
                );
            }
            _ => String::new(),
        },
        rustls::Error::AlertReceived(alert) => return describe_alert(*alert, destination),
        rustls::Error::NoApplicationProtocol => {
            return "it does not offer the protocol of mqtt.alpn".into();
        }
        _ => String::new(),
    };
    // A certificate may be for thousands of names.
    format!("{}{hint}", text::escaped(&error.to_string(), MAX_TLS_ERROR))
}

/// What the broker's TLS alert says (RFC 8446, section 6.2).
fn describe_alert(alert: AlertDescription, destination: &Destination) -> String {
    let certificate = &destination.client_certificate;
    match (alert, certificate) {
        (AlertDescription::CertificateRequired, None) => {
            "it requires a client certificate: set mqtt.client_cert_file and mqtt.client_key_file".into()
        }
        // TLS 1.2 has no specific alert for this.
        (AlertDescription::HandshakeFailure, None) => format!(
            "it ends the TLS handshake; its own key must be {SUPPORTED_KEYS}; if it requires a client certificate, set \
             mqtt.client_cert_file and mqtt.client_key_file"
        ),
        (AlertDescription::HandshakeFailure, Some(_)) => {
            format!("it ends the TLS handshake; its own key must be {SUPPORTED_KEYS}")
        }
        (
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateRequired
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
            Some(file),
        ) => format!(
            "it does not accept the client certificate, mqtt.client_cert_file {file} ({alert:?}): it must be signed by an \
             authority that the broker trusts, and be valid today"
        ),
        (AlertDescription::NoApplicationProtocol, _) => "it does not offer the protocol of mqtt.alpn".into(),
        (AlertDescription::UnrecognisedName, _) => format!(
            "it does not know the name {}: see mqtt.server_name",
            destination.certificate_name
        ),
        _ => format!("its TLS reports {alert:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, publish::samples};

    fn destination() -> Destination {
        Destination::all(&config::Mqtt {
            host: vec!["broker".into()],
            tls: true,
            ca_file: "/etc/affectd/ca.pem".into(),
            ..samples::settings()
        })
        .remove(0)
    }

    /// As the TLS stream reports it.
    fn describe(error: rustls::Error) -> String {
        let reason = DisconnectReason::io(io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(reason.question(&destination()), "");
        reason.describe(&destination())
    }

    /// Named as webpki names it.
    #[derive(Debug)]
    struct UnsupportedCertVersion;

    impl std::fmt::Display for UnsupportedCertVersion {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl std::error::Error for UnsupportedCertVersion {}

    #[test]
    fn certificate_errors_name_the_remedy() {
        let version_1 =
            CertificateError::Other(rustls::OtherError(std::sync::Arc::new(UnsupportedCertVersion)));
        for (error, help) in [
            (version_1, "subjectAltName=DNS:broker"),
            (CertificateError::UnknownIssuer, "/etc/affectd/ca.pem"),
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidForName, "mqtt.host"),
        ] {
            let line = describe(rustls::Error::InvalidCertificate(error));
            assert!(line.contains(help) && line.contains("certificate"), "{line}");
        }
    }

    #[test]
    fn the_name_for_a_new_certificate_is_of_the_right_kind() {
        let version_1 = || {
            let error = rustls::OtherError(std::sync::Arc::new(UnsupportedCertVersion));
            let error = rustls::Error::InvalidCertificate(CertificateError::Other(error));
            DisconnectReason::io(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        for (host, server_name, expected) in [
            ("192.0.2.1", "", "subjectAltName=IP:192.0.2.1)"),
            ("::1", "", "subjectAltName=IP:::1)"),
            ("192.0.2.1", "broker.lan", "subjectAltName=DNS:broker.lan)"),
        ] {
            let destination = Destination::all(&config::Mqtt {
                host: vec![host.into()],
                tls: true,
                server_name: server_name.into(),
                ..samples::settings()
            })
            .remove(0);
            let line = version_1().describe(&destination);
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn alerts_name_the_setting() {
        for (alert, help) in [
            (AlertDescription::CertificateRequired, "mqtt.client_cert_file"),
            (AlertDescription::NoApplicationProtocol, "mqtt.alpn"),
            (AlertDescription::UnrecognisedName, "mqtt.server_name"),
        ] {
            let line = describe(rustls::Error::AlertReceived(alert));
            assert!(line.contains(help), "{line}");
        }
    }
}
