//! A real broker (mosquitto), and a real subscriber to all of its topics (mosquitto_sub).

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    lab::{Lab, shell, until},
    messages::{Message, Messages},
};

/// Topics of the daemon.
pub const BASE: &str = "affectd/lab";

/// The topic filters of the subscriber.
const TOPICS: [&str; 4] = [
    "affectd/lab/+",
    "affectd/lab/face/+",
    "affectd/lab/privacy/commanded",
    "homeassistant/device/lab/config",
];

pub struct Broker {
    pub port: u16,
    pub messages: Messages,
    config: PathBuf,
    log: PathBuf,
    /// The network namespace that it runs in, as arguments of nsenter(1).
    namespace: Vec<String>,
    process: Option<Child>,
    subscriber: Option<Child>,
}

impl Broker {
    /// Starts a broker on loopback with additional lines of configuration, and a subscriber.
    pub fn start(lab: &Lab, config: &str) -> Self {
        let broker = Self::without_subscriber(lab, config, "127.0.0.1", &[]);
        broker.subscribed(lab)
    }

    /// Starts a broker at an address in a network namespace (arguments of nsenter(1); empty for this one).
    pub fn without_subscriber(lab: &Lab, config: &str, address: &str, namespace: &[String]) -> Self {
        let port = free_port();
        let log = lab.path("mosquitto.log");
        let config = format!(
            "user root\nlistener {port} {address}\n{config}persistence false\nlog_dest file {}\nlog_type all\n",
            log.display()
        );
        let mut broker = Self {
            port,
            messages: Messages::in_file(lab.path("messages.log"), BASE),
            config: lab.write("mosquitto.conf", config),
            log,
            namespace: namespace.to_vec(),
            process: None,
            subscriber: None,
        };
        broker.run();
        broker
    }

    /// Subscribes to everything.
    fn subscribed(mut self, lab: &Lab) -> Self {
        self.subscriber = Some(self.subscribe(lab, "127.0.0.1"));
        self
    }

    /// Starts a subscriber that reconnects whenever the connection is lost.
    pub fn subscribe(&self, lab: &Lab, address: &str) -> Child {
        let subscriptions = || self.log().matches("Sending SUBACK").count();
        let before = subscriptions();
        let child = self
            .command("mosquitto_sub")
            .env("TZ", "UTC")
            .args(["-h", address, "-p", &self.port.to_string(), "-F", "%j"])
            .args(["-V", "mqttv5", "--retain-as-published"])
            // Messages to the daemon are left out, because mosquitto_sub does not escape them.
            .args(TOPICS.map(|topic| ["-t", topic]).as_flattened())
            .stdout(File::create(lab.path("messages.log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is needed (Debian package mosquitto-clients)");
        until("the subscriber is subscribed", || subscriptions() > before);
        child
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.args(&self.namespace).arg(program);
        command
    }

    /// Starts or restarts the broker.
    pub fn run(&mut self) {
        let runs = || self.log().matches(" running").count();
        let before = runs();
        let process = self
            .command("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is needed (Debian package mosquitto)");
        until("the broker listens", || runs() > before);
        self.process = Some(process);
    }

    /// Kills the broker. Its retained messages are lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id();
        shell(&format!("kill -s {name} {id}"));
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Publishes one message from a file, or each of its lines as one message.
    pub fn publish(&self, topic: &str, retain: bool, payload: &str) {
        let retain = if retain { "-r" } else { "" };
        shell(&format!(
            "mosquitto_pub -h 127.0.0.1 -p {} -q 1 -t {topic} {retain} {payload}",
            self.port
        ));
    }

    /// The newest message of a topic.
    pub fn last(&self, topic: &str) -> Message {
        self.messages
            .received(0, topic)
            .pop()
            .unwrap_or_else(|| panic!("nothing on {topic}"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for process in [&mut self.process, &mut self.subscriber].into_iter().flatten() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A field of JSON as a number.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Returns a free port.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
