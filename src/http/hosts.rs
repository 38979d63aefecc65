//! The names under which the server may be addressed.
//!
//! Any web page can make a browser on this machine or network send requests here and, by changing what its
//! own name resolves to (DNS rebinding), even read the responses. Such requests carry the page's name in the
//! header `Host`, so only names that nobody else can own are accepted: addresses, `localhost`, and the names
//! that the server's certificate is for.

use std::net::{IpAddr, Ipv6Addr};

use tokio_rustls::rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

use crate::config::Place;

/// The accepted names.
#[derive(Debug, Clone)]
pub struct Hosts {
    is_public: bool,
    certificate: Option<CertificateDer<'static>>,
}

impl Hosts {
    /// The names of a server at this place, with this certificate.
    #[must_use]
    pub fn new(place: &Place, certificate: Option<CertificateDer<'static>>) -> Self {
        Self {
            is_public: place.is_public(),
            certificate,
        }
    }

    /// Whether the value of a header `Host` names this server. Ports are not compared: an SSH tunnel changes
    /// them.
    #[must_use]
    pub fn allows(&self, authority: &str) -> bool {
        let Some(host) = host(authority) else {
            return false;
        };
        match address(host) {
            Some(address) => self.is_public && !address.is_unspecified() || address.is_loopback(),
            None => host.eq_ignore_ascii_case("localhost") || self.is_certified(host),
        }
    }

    fn is_certified(&self, host: &str) -> bool {
        let Some(certificate) = &self.certificate else {
            return false;
        };
        let Ok(name) = ServerName::try_from(host) else {
            return false;
        };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }
}

/// The host in `host`, `host:port`, `[v6]` or `[v6]:port`; `None` for anything else.
fn host(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(end);
    let is_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok() && !port.starts_with('+');
    let rest_is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    (!host.is_empty() && rest_is_port).then_some(host)
}

/// Parses a host that is an IP address; an IPv6 address is in brackets.
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|v6| v6.to_canonical()),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn hosts(place: &str, names: Option<&str>) -> Hosts {
        let certificate = names.map(|name| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.into()]).unwrap();
            params.self_signed(&key).unwrap().der().clone()
        });
        Hosts::new(&Place::Tcp(place.parse().unwrap()), certificate)
    }

    #[test]
    fn loopback_allows_only_loopback_names() {
        let hosts = hosts("127.0.0.1:8417", None);
        for good in [
            "localhost",
            "LocalHost:9000",
            "127.0.0.1",
            "127.0.0.1:8417",
            "[::1]:8417",
            "[::1]",
        ] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "evil.example",
            "evil.example:8417",
            "localhost.evil.example",
            "192.168.0.7",
            "0.0.0.0",
            "[::]",
            "::1",
            "[::1",
            "[::1]x",
            "localhost:",
            "localhost:99999",
            "localhost:+80",
            "localhost:80:80",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "localhost evil",
            "localhost/",
            "2130706433",
        ] {
            assert!(!hosts.allows(bad), "{bad}");
        }
    }

    #[test]
    fn a_public_page_allows_ips_and_certificate_names() {
        let hosts = hosts("0.0.0.0:8417", Some("board.example"));
        for good in [
            "192.168.0.7:8417",
            "board.example",
            "Board.Example:8417",
            "[fd00::1]:8417",
            "localhost",
        ] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "evil.example",
            "x.board.example",
            "0.0.0.0:8417",
            "[::ffff:0.0.0.0]",
        ] {
            assert!(!hosts.allows(bad), "{bad}");
        }
    }
}
