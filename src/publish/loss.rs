//! Why there is no connection, in words that help.

use rumqttc::{
    ConnectReturnCode, ConnectionError, TlsError,
    tokio_rustls::rustls::{self, CertificateError},
};

use super::options::{Destination, KEEP_ALIVE_S};

/// Why a connection ended or did not come about.
#[derive(Debug)]
pub enum Loss {
    /// The library found out.
    Connection(ConnectionError),
    /// The broker left messages unacknowledged and said nothing else.
    Silence,
}

impl Loss {
    /// The broker's words if it refused the credentials, which trying again does not help.
    pub fn refused_credentials(&self) -> Option<&'static str> {
        match self {
            Self::Connection(ConnectionError::ConnectionRefused(
                code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
            )) => Some(refusal(*code)),
            _ => None,
        }
    }

    /// What happened and, where there is one, the way out.
    pub fn describe(&self, destination: &Destination) -> String {
        let error = match self {
            Self::Silence => return format!("no answer for {KEEP_ALIVE_S} s"),
            Self::Connection(error) => error,
        };
        let tls = match error {
            ConnectionError::ConnectionRefused(code) => return format!("refused, {}", refusal(*code)),
            ConnectionError::Tls(TlsError::TLS(error)) => Some(error),
            ConnectionError::Tls(TlsError::Io(error)) | ConnectionError::Io(error) => error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>()),
            _ => None,
        };
        let Some(tls) = tls else {
            return error.to_string();
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
                    "; mqtt.host must be a name that its certificate is made for".into()
                }
                _ => String::new(),
            },
            _ => String::new(),
        };
        format!("{tls}{hint}")
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
            authorities: "/etc/affectd/ca.pem".into(),
        }
    }

    #[test]
    fn only_the_credentials_are_refused_for_good() {
        let refused = |code| Loss::Connection(ConnectionError::ConnectionRefused(code)).refused_credentials();
        assert!(refused(ConnectReturnCode::BadUserNamePassword).is_some());
        assert!(refused(ConnectReturnCode::NotAuthorized).is_some());
        assert!(refused(ConnectReturnCode::ServiceUnavailable).is_none());
        assert!(refused(ConnectReturnCode::BadClientId).is_none());
        assert!(Loss::Silence.refused_credentials().is_none());
    }

    #[test]
    fn certificate_errors_say_what_helps() {
        for (error, help) in [
            (CertificateError::UnknownIssuer, "/etc/affectd/ca.pem"),
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidForName, "mqtt.host"),
        ] {
            let error = io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::InvalidCertificate(error),
            );
            let line = Loss::Connection(ConnectionError::Tls(TlsError::Io(error))).describe(&destination());
            assert!(line.contains(help) && line.contains("certificate"), "{line}");
        }
    }
}
