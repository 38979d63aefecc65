//! A real broker (mosquitto) on loopback, with or without TLS and a password.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use affectd::config::{Mqtt, MqttVersion};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

pub use super::watcher::Watcher;

/// Generous, because a shared machine may be slow; a passing test never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const USER: &str = "affectd";
pub const PASSWORD: &str = "correct horse";

/// A mosquitto that can be killed and restarted on the same port; killed when the test ends.
pub struct Broker {
    pub port: u16,
    folder: TempDir,
    pub address: &'static str,
    pub tls: bool,
    /// Additional lines of its configuration.
    lines: String,
    process: Option<Child>,
}

impl Broker {
    pub fn start() -> Self {
        Self::with(|folder| {
            let path = folder.join("users");
            format!("allow_anonymous false\npassword_file {}\n", path.display())
        })
    }

    /// Starts a broker that accepts messages but refuses all subscriptions; [`Self::watch`] times out.
    pub fn without_subscribers() -> Self {
        Self::with(|folder| {
            let path = folder.join("security.json");
            let access = r#"{"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
                "subscribe": false, "unsubscribe": true}, "groups": [{"groupname": "all", "roles": []}],
                "anonymousGroup": "all", "roles": [], "clients": []}"#;
            fs::write(&path, access).unwrap();
            let libraries = fs::read_dir("/usr/lib").unwrap();
            let plugins = libraries.map(|entry| entry.unwrap().path().join("mosquitto_dynamic_security.so"));
            let plugin = plugins.filter(|path| path.exists()).last();
            format!(
                "allow_anonymous true\nplugin {}\nplugin_opt_config_file {}\n",
                plugin.expect("a part of Debian's mosquitto").display(),
                path.display()
            )
        })
    }

    /// Starts a broker that grants subscriptions but delivers no messages; [`Self::watch`] receives nothing.
    pub fn that_lets_nobody_read() -> Self {
        Self::with(|folder| {
            let path = folder.join("access");
            fs::write(&path, "topic write #\n").unwrap();
            format!("allow_anonymous true\nacl_file {}\n", path.display())
        })
    }

    /// Starts a broker with the access rules of the package's examples, in which [`Self::watch`] may do
    /// anything.
    pub fn with_example_access() -> Self {
        Self::with(|folder| {
            let path = |name: &str| folder.join(name).display().to_string();
            for user in ["lobby", "homeassistant", "technician"] {
                add_user(&folder.join("users"), user, false);
            }
            let example = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/examples/mosquitto.acl");
            let rules = fs::read_to_string(example).unwrap();
            let rules = format!("{rules}\nuser {USER}\ntopic readwrite #\n");
            fs::write(folder.join("rules"), rules).unwrap();
            let (users, rules) = (path("users"), path("rules"));
            format!("allow_anonymous false\npassword_file {users}\nacl_file {rules}\n")
        })
    }

    /// Starts a broker for anonymous clients, without TLS.
    pub fn without_tls() -> Self {
        Self::with_plain_lines("")
    }

    /// Like [`Self::without_tls`], at another address of this machine.
    pub fn without_tls_at(address: &'static str, port: u16) -> Self {
        let mut broker = Self::new(false, |_| "allow_anonymous true\n".to_owned());
        broker.address = address;
        broker.port = port;
        broker.configure();
        broker.run();
        broker
    }

    /// Starts a broker for anonymous clients, without TLS and with these lines in its configuration.
    pub fn with_plain_lines(lines: &str) -> Self {
        Self::started(false, |_| format!("allow_anonymous true\n{lines}"))
    }

    /// Starts a broker for anonymous clients with a WebSocket listener on the returned port. (mosquitto does
    /// not start without a listener of another kind.)
    pub fn with_websocket(tls: bool) -> (Self, u16) {
        let port = free_port();
        let broker = Self::started(tls, |folder| {
            let tls = if tls { tls_lines(folder) } else { String::new() };
            format!("allow_anonymous true\nlistener {port} 127.0.0.1\nprotocol websockets\n{tls}")
        });
        (broker, port)
    }

    /// Starts a broker for anonymous clients, with TLS and with these lines in its configuration.
    pub fn with_lines(lines: &str) -> Self {
        Self::with(|_| format!("allow_anonymous true\n{lines}"))
    }

    /// Starts a broker for anonymous clients, without TLS and with this access list.
    pub fn with_access(list: &str) -> Self {
        Self::started(false, |folder| {
            let path = folder.join("access");
            fs::write(&path, list).unwrap();
            format!("allow_anonymous true\nacl_file {}\n", path.display())
        })
    }

    fn with(lines: impl FnOnce(&Path) -> String) -> Self {
        Self::started(true, lines)
    }

    fn started(tls: bool, lines: impl FnOnce(&Path) -> String) -> Self {
        let mut broker = Self::new(tls, lines);
        // Another process may be assigned the free port before mosquitto binds it.
        until("a broker has a port of its own", || {
            broker.port = free_port();
            broker.configure();
            broker.spawn()
        });
        broker
    }

    /// Creates a broker that is not running yet.
    fn new(tls: bool, lines: impl FnOnce(&Path) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificates(folder.path(), "");
        certificates(folder.path(), "other-");
        fs::write(path("password"), format!("{PASSWORD}\n")).unwrap();
        fs::write(path("wrong-password"), "wrong horse\n").unwrap();
        add_user(&path("users"), USER, true);
        Self {
            port: 0,
            address: "127.0.0.1",
            tls,
            lines: lines(folder.path()),
            folder,
            process: None,
        }
    }

    /// Restarts it on the same port and waits until it listens.
    pub fn run(&mut self) {
        until("the broker listens again", || self.spawn());
    }

    fn configure(&self) {
        let folder = self.folder().display();
        let tls = if self.tls {
            tls_lines(self.folder())
        } else {
            String::new()
        };
        let config = format!(
            "user root\nlistener {port} {address}\n{tls}{lines}persistence true\npersistence_location {folder}/\n\
             log_dest file {folder}/log\nlog_type all\n",
            port = self.port,
            address = self.address,
            lines = self.lines,
        );
        fs::write(self.path("mosquitto.conf"), config).unwrap();
    }

    /// Starts it and returns whether it listens, according to its log: a test connection could be answered by
    /// another program on that port.
    fn spawn(&mut self) -> bool {
        let runs = |log: String| log.matches(" running").count();
        let before = runs(self.log());
        let mut process = Command::new(program("mosquitto"))
            .arg("-c")
            .arg(self.path("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is needed (Debian package mosquitto)");
        let mut ended = false;
        until("the broker listens or gives up", || {
            ended = process.try_wait().unwrap().is_some();
            ended || runs(self.log()) > before
        });
        self.process = Some(process);
        !ended
    }

    /// Sends SIGTERM, on which it saves its retained messages.
    pub fn end(&mut self) {
        self.signal("TERM");
        if let Some(mut process) = self.process.take() {
            process.wait().unwrap();
        }
    }

    pub fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Returns its log, which lists every packet.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as [`Self::settings`], as `key=value` for the command line.
    pub fn overrides(&self) -> [String; 6] {
        [
            "mqtt.host=localhost".to_owned(),
            format!("mqtt.port={}", self.port),
            "mqtt.tls=true".to_owned(),
            format!("mqtt.ca_file={}", self.path("ca.pem").display()),
            format!("mqtt.username={USER}"),
            format!("mqtt.password_file={}", self.path("password").display()),
        ]
    }

    /// Settings for the daemon to connect to it.
    pub fn settings(&self) -> Mqtt {
        let settings = settings(self.port, self.folder.path());
        if self.tls {
            return settings;
        }
        Mqtt {
            host: vec![self.address.to_owned()],
            tls: false,
            ca_file: PathBuf::new(),
            ..settings
        }
    }

    /// Folder of certificates and passwords, for [`settings`] in another process.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Subscribes to all messages from now on.
    pub fn watch(&self) -> Watcher {
        self.watch_as(USER)
    }

    /// Subscribes as another user, who has the same password.
    pub fn watch_as(&self, user: &str) -> Watcher {
        Watcher::new(self, user)
    }

    /// Returns the retained messages that a new subscriber receives: topic and payload, sorted.
    pub fn retained(&self) -> Vec<(String, String)> {
        let watcher = self.watch();
        // All retained messages arrive before our own message is echoed.
        watcher.publish("test/mark", "", false);
        watcher.wait("the mark", |messages| {
            messages.iter().any(|message| message.topic == "test/mark")
        });
        let messages = watcher.messages();
        let retained = messages.iter().filter(|message| message.retain);
        let mut retained: Vec<_> = retained
            .map(|message| (message.topic.clone(), message.text()))
            .collect();
        retained.sort();
        retained
    }

    /// Returns the retained payload of one topic, or an empty string.
    pub fn retained_at(&self, topic: &str) -> String {
        let found = self.retained().into_iter().find(|(at, _)| at == topic);
        found.map(|(_, payload)| payload).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub fn settings(port: u16, folder: &Path) -> Mqtt {
    Mqtt {
        version: MqttVersion::Auto,
        host: vec!["localhost".into()],
        port,
        tls: true,
        ca_file: folder.join("ca.pem"),
        client_cert_file: PathBuf::new(),
        client_key_file: PathBuf::new(),
        server_name: String::new(),
        alpn: String::new(),
        websocket_path: String::new(),
        client_id: String::new(),
        username: USER.into(),
        password_file: folder.join("password"),
        base: "affectd".parse().unwrap(),
        faces: true,
        discovery: true,
        discovery_prefix: "homeassistant".parse().unwrap(),
        rate: 20.0.try_into().unwrap(),
        scene_rate: 20.0.try_into().unwrap(),
        face_rate: 20.0.try_into().unwrap(),
        dead_band: 0.05,
        refresh: Duration::from_millis(30000),
        health: Duration::from_millis(10000),
    }
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The lines of a listener with TLS.
fn tls_lines(folder: &Path) -> String {
    let folder = folder.display();
    format!("cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian installs the broker in /usr/sbin, which is not in the PATH of ordinary users.
fn program(name: &str) -> PathBuf {
    let system = Path::new("/usr/sbin").join(name);
    if system.exists() { system } else { name.into() }
}

/// Adds a user with the common password to the broker's file of users, which is created if `create` is set.
fn add_user(file: &Path, user: &str, create: bool) {
    let made = Command::new(program("mosquitto_passwd"))
        .args(if create { &["-b", "-c"][..] } else { &["-b"] })
        .arg(file)
        .args([user, PASSWORD])
        .stderr(Stdio::null())
        .status()
        .expect("mosquitto_passwd is needed (Debian package mosquitto)");
    assert!(made.success());
}

fn certificates(folder: &Path, prefix: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    fs::write(folder.join(format!("{prefix}ca.pem")), authority.pem()).unwrap();
    for (name, host) in [("server", "localhost"), ("client", "lobby")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.into()]).unwrap();
        // The name must differ from the authority's, or openssl takes the certificate for an authority.
        params.distinguished_name.push(DnType::CommonName, host);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(folder.join(format!("{prefix}{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{prefix}{name}.key")), key.serialize_pem()).unwrap();
    }
}
