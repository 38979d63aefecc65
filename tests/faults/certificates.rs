//! Certificates with one fault each, and a broker that presents them.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{broker::Broker, lab::Lab, lab::shell};

/// A certificate authority, and the files of a broker that presents one of its certificates.
pub struct Authority<'a> {
    lab: &'a Lab,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    /// Writes its certificate to `ca.pem`.
    pub fn new(lab: &'a Lab) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Authority of the laboratory");
        let key = KeyPair::generate().unwrap();
        lab.write("ca.pem", params.self_signed(&key).unwrap().pem());
        lab.write("ca.key", key.serialize_pem());
        Self {
            lab,
            issuer: Issuer::new(params, key),
        }
    }

    pub fn file(&self) -> PathBuf {
        self.lab.path("ca.pem")
    }

    /// Writes a certificate for these names to `server.pem`.
    pub fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.lab.write("server.pem", certificate.pem());
        self.lab.write("server.key", key.serialize_pem());
    }

    /// Like [`Self::issue`], with openssl(1) as in many tutorials: X.509 version 1, without extensions.
    pub fn issue_by_openssl(&self) {
        let folder = self.lab.path("");
        shell(&format!(
            "cd {}
            openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost 2> openssl.log
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 30 2> openssl.log",
            folder.display()
        ));
    }

    /// Starts a broker that presents `server.pem`, with additional lines of configuration.
    pub fn broker(&self, config: &str) -> Broker {
        let config = format!(
            "allow_anonymous true\ncertfile {}\nkeyfile {}\n{config}",
            self.lab.path("server.pem").display(),
            self.lab.path("server.key").display(),
        );
        Broker::without_subscriber(self.lab, &config, "127.0.0.1", &[])
    }
}

/// Makes a certificate that expired years ago.
pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2010, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

/// Makes a certificate that is not valid yet.
pub fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 1, 1);
    params.not_after = date_time_ymd(2095, 1, 1);
}
