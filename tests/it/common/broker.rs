//! A real broker (mosquitto) on loopback with TLS and a password, and a client that watches it.

use std::{
    fmt, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use affectd::config::Mqtt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rumqttc::{Client, Event, MqttOptions, Packet, PublishOptions, QoS, Transport};
use tempfile::TempDir;

/// Generous, because a shared machine may be slow; a passing test never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

const USER: &str = "affectd";
const PASSWORD: &str = "correct horse";

/// A mosquitto that can be killed and restarted on the same port; killed when the test ends.
pub struct Broker {
    pub port: u16,
    folder: TempDir,
    /// Access control lines of its configuration.
    access: String,
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

    fn with(access: impl FnOnce(&Path) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificates(folder.path(), "");
        certificates(folder.path(), "other-");
        fs::write(path("password"), format!("{PASSWORD}\n")).unwrap();
        fs::write(path("wrong-password"), "wrong horse\n").unwrap();
        let made = Command::new(program("mosquitto_passwd"))
            .args(["-b", "-c"])
            .arg(path("users"))
            .args([USER, PASSWORD])
            .stderr(Stdio::null())
            .status()
            .expect("mosquitto_passwd is needed (Debian package mosquitto)");
        assert!(made.success());
        let mut broker = Self {
            port: 0,
            access: access(folder.path()),
            folder,
            process: None,
        };
        // Another process may be assigned the free port before mosquitto binds it.
        until("a broker has a port of its own", || {
            broker.port = free_port();
            broker.configure();
            broker.spawn()
        });
        broker
    }

    /// Restarts it on the same port and waits until it listens.
    pub fn run(&mut self) {
        until("the broker listens again", || self.spawn());
    }

    fn configure(&self) {
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{access}cafile {0}/ca.pem\ncertfile {0}/server.pem\nkeyfile {0}/server.key\n\
             persistence true\npersistence_location {0}/\nlog_dest file {0}/log\nlog_type all\n",
            self.folder().display(),
            port = self.port,
            access = self.access,
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
        settings(self.port, self.folder.path())
    }

    /// Folder of certificates and passwords, for [`settings`] in another process.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Subscribes to all messages from now on.
    pub fn watch(&self) -> Watcher {
        Watcher::new(self)
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
        host: "localhost".into(),
        port,
        tls: true,
        ca_file: folder.join("ca.pem"),
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

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian installs the broker in /usr/sbin, which is not in the PATH of ordinary users.
fn program(name: &str) -> PathBuf {
    let system = Path::new("/usr/sbin").join(name);
    if system.exists() { system } else { name.into() }
}

fn certificates(folder: &Path, prefix: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".into()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    fs::write(folder.join(format!("{prefix}ca.pem")), authority.pem()).unwrap();
    fs::write(folder.join(format!("{prefix}server.pem")), server.pem()).unwrap();
    fs::write(folder.join(format!("{prefix}server.key")), key.serialize_pem()).unwrap();
}

/// A message as a subscriber received it.
#[derive(Clone)]
pub struct Seen {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8(self.payload.clone()).unwrap()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retained = if self.retain { " (retained)" } else { "" };
        let start = &self.payload[..self.payload.len().min(200)];
        write!(f, "{}{retained}: {}", self.topic, start.escape_ascii())
    }
}

type Inbox = Arc<(Mutex<Vec<Seen>>, Condvar)>;

/// A subscriber to all topics.
pub struct Watcher {
    client: Client,
    inbox: Inbox,
}

impl Watcher {
    fn new(broker: &Broker) -> Self {
        let id = format!("watcher-{:?}-{:?}", thread::current().id(), Instant::now());
        let mut options = MqttOptions::new(id, ("localhost", broker.port));
        options
            .set_credentials(USER, PASSWORD)
            .set_max_packet_size(8 << 20, 8 << 20);
        options.set_transport(Transport::tls(
            fs::read(broker.path("ca.pem")).unwrap(),
            None,
            None,
        ));
        let (client, mut connection) = Client::builder(options).capacity(100).build();
        let inbox = Inbox::default();
        let (ready, subscribed) = std::sync::mpsc::channel();
        let for_thread = Arc::clone(&inbox);
        let subscriber = client.clone();
        thread::spawn(move || {
            loop {
                let event = match connection.recv() {
                    Ok(Ok(event)) => event,
                    // The receiver is gone once subscribed: then a test has stopped the broker.
                    Ok(Err(error)) if ready.send(Err(error.to_string())).is_ok() => {
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    _ => return,
                };
                match event {
                    Event::Incoming(Packet::ConnAck(_)) => {
                        subscriber.subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Event::Incoming(Packet::SubAck(_)) => ready.send(Ok(())).unwrap_or_default(),
                    Event::Incoming(Packet::Publish(message)) => {
                        let (messages, arrived) = &*for_thread;
                        messages.lock().unwrap().push(Seen {
                            topic: String::from_utf8(message.topic.to_vec()).unwrap(),
                            payload: message.payload.to_vec(),
                            retain: message.retain,
                        });
                        arrived.notify_all();
                    }
                    _ => {}
                }
            }
        });
        let start = Instant::now();
        while let Err(error) = subscribed.recv_timeout(PATIENCE).expect("the broker answers") {
            assert!(
                start.elapsed() < PATIENCE,
                "the watcher is not subscribed: {error}"
            );
        }
        Self { client, inbox }
    }

    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic, payload.into(), options).unwrap();
    }

    pub fn messages(&self) -> Vec<Seen> {
        self.inbox.0.lock().unwrap().clone()
    }

    /// Waits until the messages so far satisfy `condition`.
    pub fn wait(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) {
        let (messages, arrived) = &*self.inbox;
        let guard = messages.lock().unwrap();
        let (guard, result) = arrived
            .wait_timeout_while(guard, PATIENCE, |messages| !condition(messages))
            .unwrap();
        if result.timed_out() {
            let seen = guard.clone();
            drop(guard);
            panic!("waited in vain: {what}; seen: {seen:#?}");
        }
    }

    /// Waits for a message on `topic` that contains `text`.
    pub fn wait_for(&self, topic: &str, text: &str) {
        self.wait(&format!("{text} on {topic}"), |messages| {
            messages
                .iter()
                .any(|message| message.topic == topic && message.text().contains(text))
        });
    }

    /// Discards the messages so far.
    pub fn forget(&self) {
        self.inbox.0.lock().unwrap().clear();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.client.try_disconnect();
    }
}
