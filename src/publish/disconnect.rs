//! Why there is no connection, in words that help a person.

use rumqttc::{
    ConnectReturnCode, ConnectionError, StateError, TlsError,
    tokio_rustls::rustls::{self, AlertDescription, CertificateError},
};

use super::{destination::Destination, options::KEEP_ALIVE_S};

/// Why a connection ended or could not be made.
#[derive(Debug)]
pub enum DisconnectReason {
    /// The library's error.
    Connection(ConnectionError),
    /// The broker left messages unacknowledged and sent nothing else.
    Silence,
}

impl DisconnectReason {
    /// Why the broker refused the credentials, if it did.
    pub fn refused_credentials(&self) -> Option<&'static str> {
        match self {
            Self::Connection(ConnectionError::ConnectionRefused(
                code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
            )) => Some(refusal(*code)),
            _ => None,
        }
    }

    /// The error of TLS itself, if it is one.
    fn tls(&self) -> Option<&rustls::Error> {
        let Self::Connection(error) = self else {
            return None;
        };
        match error {
            ConnectionError::Tls(TlsError::TLS(error)) => Some(error),
            ConnectionError::Tls(TlsError::Io(error)) | ConnectionError::Io(error) => {
                error.get_ref()?.downcast_ref()
            }
            _ => None,
        }
    }

    /// Whether the broker closed the connection without an error of its own.
    pub fn is_closed(&self) -> bool {
        matches!(
            self,
            Self::Connection(ConnectionError::MqttState(
                StateError::ConnectionAborted | StateError::Deserialization(rumqttc::Error::Io(_))
            ))
        )
    }

    /// A question that helps if there never was a connection; empty if [`Self::describe`] says enough.
    pub fn question(&self) -> &'static str {
        let Self::Connection(error) = self else {
            return "";
        };
        let wrong_port = match self.tls() {
            Some(tls) => matches!(tls, rustls::Error::InvalidMessage(_)),
            None => matches!(
                error,
                ConnectionError::Tls(_)
                    | ConnectionError::NotConnAck(_)
                    | ConnectionError::MqttState(
                        StateError::ConnectionAborted | StateError::Deserialization(_)
                    )
            ),
        };
        if wrong_port {
            ": is this a broker's port, and is mqtt.tls right for it?"
        } else {
            ""
        }
    }

    /// What happened and, if there is one, the remedy.
    pub fn describe(&self, destination: &Destination) -> String {
        let error = match self {
            Self::Silence => return format!("no answer for {KEEP_ALIVE_S} s"),
            Self::Connection(error) => error,
        };
        if let ConnectionError::ConnectionRefused(code) = error {
            return format!("refused, {}", refusal(*code));
        }
        let Some(tls) = self.tls() else {
            return describe_other(error);
        };
        let hint = match tls {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    format!(
                        "; its certificate must be signed by one of {}",
                        destination.authorities
                    )
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => "; is this device's clock right?".into(),
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!(
                        "; its certificate must have a subjectAltName for mqtt.host, {}: a common name does not count",
                        destination.host
                    )
                }
                // A certificate authority's own certificate, as `openssl req -x509` creates it.
                _ if certificate.to_string().contains("CaUsedAsEndEntity") => {
                    return "invalid peer certificate: it is a certificate authority's own (CA:TRUE); the broker needs one \
                            that the authority has signed for its name"
                        .into();
                }
                // As `openssl x509 -req` creates it without extensions.
                _ if certificate.to_string().contains("UnsupportedCertVersion") => {
                    return format!(
                        "invalid peer certificate: it is of X.509 version 1; it must be of version 3 and have a \
                         subjectAltName for {host} (openssl x509 -req … -extfile FILE, where FILE contains \
                         subjectAltName=DNS:{host})",
                        host = destination.host
                    );
                }
                _ => String::new(),
            },
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
                return "it requires a client certificate, which affectd does not support".into();
            }
            _ => String::new(),
        };
        format!("{tls}{hint}")
    }
}

/// Describes an error that is not one of TLS itself.
fn describe_other(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Tls(TlsError::Io(error)) => format!("no TLS ({error})"),
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => error.to_string(),
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(error))) => {
            format!("it closes the connection ({error})")
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => "it closes the connection".into(),
        ConnectionError::MqttState(StateError::Deserialization(_)) | ConnectionError::NotConnAck(_) => {
            "what answers does not speak MQTT".into()
        }
        _ => error.to_string(),
    }
}

fn refusal(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::Success => "no reason given",
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
        ConnectReturnCode::BadClientId => "it does not allow this client id",
        ConnectReturnCode::ServiceUnavailable => "it is not available at the moment",
        ConnectReturnCode::BadUserNamePassword => "bad user name or password",
        ConnectReturnCode::NotAuthorized => "not authorised",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn destination() -> Destination {
        Destination {
            address: "mqtts://broker:8883".into(),
            host: "broker".into(),
            authorities: "/etc/affectd/ca.pem".into(),
        }
    }

    #[test]
    fn only_credentials_count_as_refused() {
        let refused = |code| {
            DisconnectReason::Connection(ConnectionError::ConnectionRefused(code)).refused_credentials()
        };
        assert!(refused(ConnectReturnCode::BadUserNamePassword).is_some());
        assert!(refused(ConnectReturnCode::NotAuthorized).is_some());
        assert!(refused(ConnectReturnCode::ServiceUnavailable).is_none());
        assert!(refused(ConnectReturnCode::BadClientId).is_none());
        assert!(DisconnectReason::Silence.refused_credentials().is_none());
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
            let error = io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::InvalidCertificate(error),
            );
            let reason = DisconnectReason::Connection(ConnectionError::Tls(TlsError::Io(error)));
            let line = reason.describe(&destination());
            assert!(line.contains(help) && line.contains("certificate"), "{line}");
            assert_eq!(reason.question(), "");
        }
    }
}
