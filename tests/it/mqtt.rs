//! The MQTT contract against a real broker with TLS and a password.

use crate::common::broker;
use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use affectd::{
    clock::{Clock, SystemClock},
    config::Mqtt,
    error::{Exit, ExitClass as _},
    model::VaOrigin,
    privacy::Switch,
    publish::{
        Identity, PublishErrorKind, Publisher, PublisherThread,
        payload::{CameraStatus, HealthPayload, Rounded},
    },
    sense::face::{
        Category, Detection, Event, Label, Landmarks, Prediction, Probabilities, Report, Smoothed,
        TrackedFace,
    },
};
use serde_json::Value;

use broker::{Broker, until};

const AVAILABILITY: &str = "affectd/lobby/availability";
const STATE: &str = "affectd/lobby/state";
const EVENT: &str = "affectd/lobby/event";
const CAMERA: &str = "affectd/lobby/camera";
const HEALTH: &str = "affectd/lobby/health";
const PRIVACY: &str = "affectd/lobby/privacy";
const PRIVACY_SET: &str = "affectd/lobby/privacy/set";
const DISCOVERY: &str = "homeassistant/device/lobby/config";

/// The machine's clock, but a test can move it forward.
#[derive(Default)]
struct Skewed {
    system: SystemClock,
    seconds: AtomicU64,
}

impl Skewed {
    fn forward(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Skewed {
    fn now(&self) -> Duration {
        self.system.now() + Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn wall(&self) -> jiff::Timestamp {
        self.system.wall() + Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

/// A publisher as the pipeline uses it, with a camera that works.
struct Daemon {
    publisher: Publisher,
    thread: PublisherThread,
    clock: Arc<Skewed>,
}

impl Daemon {
    fn start(settings: &Mqtt) -> Self {
        listen();
        let clock = Arc::new(Skewed::default());
        let identity = Identity::new(
            "lobby".parse().unwrap(),
            "small",
            &"0123456789abcdef".repeat(4),
            &Category::ALL,
            VaOrigin::Projected,
        );
        let (publisher, thread) = Publisher::start(settings, identity, Arc::clone(&clock) as _).unwrap();
        publisher.camera(CameraStatus::Ok, "");
        Self {
            publisher,
            thread,
            clock,
        }
    }

    fn report(&self, category: Category, events: &[Event]) {
        self.publisher.report(&Report {
            size: (640, 480),
            captured: self.clock.now(),
            faces: [face(category)].into_iter().collect(),
            events: events.iter().copied().collect(),
        });
    }
}

fn face(category: Category) -> TrackedFace {
    let mut probabilities = [0.02; 8];
    probabilities[category as usize] = 0.86;
    let prediction = Prediction {
        probabilities: Probabilities::from_weights(probabilities),
        valence: Some(0.5),
        arousal: Some(-0.25),
    };
    TrackedFace {
        track: 7,
        detection: Detection {
            rect: Default::default(),
            score: 0.9,
            landmarks: Landmarks::default(),
        },
        quality: 1.0,
        raw: Some(prediction),
        smoothed: Some(Smoothed {
            label: Label::Category(category),
            prediction,
        }),
    }
}

/// What a payload with this smoothed category contains.
fn showing(category: Category) -> String {
    format!(r#"{{"category":"{}""#, category.name())
}

fn health() -> HealthPayload {
    HealthPayload {
        fps: Rounded(15.0),
        drops: 0,
        latency: heapless::Vec::new(),
        temperature: None,
        throttled: None,
        undervoltage: None,
        shed: Rounded(0.0),
        strain: None,
        rss: 1,
        uptime: 1,
    }
}

/// All log lines of this process. Lines of one broker can be told by its port.
fn lines() -> &'static Mutex<Vec<u8>> {
    static LINES: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    LINES.get_or_init(Mutex::default)
}

fn listen() {
    struct Lines;
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lines().lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(|| Lines)
        .finish();
    // The first test of the process installs it for all.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn logged(text: &str) -> usize {
    String::from_utf8_lossy(&lines().lock().unwrap())
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

/// What `affectd-lobby` sent, from the broker's log: e.g. `PUBLISH q1 r1 affectd/lobby/state`.
fn packets(broker: &Broker) -> Vec<String> {
    let log = broker.log();
    let lines = log.lines().filter_map(|line| line.split_once("Received "));
    let lines = lines
        .map(|(_, packet)| packet)
        .filter(|packet| packet.contains("affectd-lobby"));
    lines
        .filter_map(|packet| match packet.split_once(" from affectd-lobby")? {
            ("PUBLISH", rest) => {
                let part: Vec<&str> = rest.trim_matches([' ', '(']).split(", ").collect();
                Some(format!(
                    "PUBLISH {} {} {}",
                    part[1],
                    part[2],
                    part[4].trim_matches('\'')
                ))
            }
            ("SUBSCRIBE", _) => Some("SUBSCRIBE".into()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_subscriber_sees_the_contract() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker.settings());
    until("the greeting", || packets(&broker).len() >= 7);
    let first = packets(&broker);
    let greeting =
        [AVAILABILITY, DISCOVERY, STATE, CAMERA, PRIVACY].map(|topic| format!("PUBLISH q1 r1 {topic}"));
    assert_eq!(first[..2], ["SUBSCRIBE", "SUBSCRIBE"]);
    assert_eq!(first[2..7], greeting);

    daemon.report(Category::Happiness, &[Event::Appeared { track: 7 }]);
    daemon.publisher.health(&health());
    watcher.wait_for(STATE, &showing(Category::Happiness));
    watcher.wait_for("affectd/lobby/face/7", r#""box":[0.0,0.0,0.0,0.0]"#);
    watcher.wait_for(EVENT, r#""event":"appeared","track":7"#);
    watcher.wait_for(HEALTH, r#""fps":15.0"#);

    let retained = broker.retained();
    let topics: Vec<&str> = retained.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        topics,
        [AVAILABILITY, CAMERA, PRIVACY, STATE, DISCOVERY],
        "no event, face or health"
    );
    assert_eq!(retained[0].1, "online");
    assert_eq!(retained[2].1, "OFF");
    let state: Value = serde_json::from_str(&retained[3].1).unwrap();
    assert_eq!(state["faces"], 1);
    assert_eq!(state["track"], 7);
    assert_eq!(state["probabilities"]["happiness"], 0.86);
    assert_eq!(state["model"]["sha256"], "0123456789ab");
    assert_eq!(state["boot"].as_str().unwrap().len(), 16);
    let time: jiff::Timestamp = state["time"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 30);
    let discovery: Value = serde_json::from_str(&retained[4].1).unwrap();
    for key in ["dev", "o", "cmps", "availability_topic", "state_topic"] {
        assert!(!discovery[key].is_null(), "{key}");
    }
    daemon.thread.stop();
}

#[test]
fn a_killed_daemon_is_offline() {
    let broker = Broker::start();
    let mut child = Reexecuted::start(&format!("{} {}", broker.port, broker.folder().display()));
    until("the child is online", || {
        broker.retained_at(STATE).contains(&showing(Category::Happiness))
    });
    assert_eq!(broker.retained_at(AVAILABILITY), "online");
    child.0.kill().unwrap();
    until("the last will", || broker.retained_at(AVAILABILITY) == "offline");
}

#[test]
fn a_clean_exit_says_stopped() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    daemon.report(Category::Anger, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Anger))
    });
    daemon.thread.stop();
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
    assert!(broker.retained_at(STATE).contains(r#""category":"none""#));
    until("a clean disconnect", || {
        broker.log().contains("Received DISCONNECT from affectd-lobby")
    });
}

#[test]
fn a_run_that_ends_at_once_is_told_of() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    daemon
        .publisher
        .camera(CameraStatus::Unsupported, "another program holds it");
    daemon.thread.stop();
    assert!(
        broker
            .retained_at("affectd/lobby/camera")
            .contains("another program holds it")
    );
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
}

#[test]
fn after_an_outage_the_state_is_right_and_fresh() {
    let mut broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    daemon.report(Category::Sadness, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Sadness))
    });
    let before = resident();
    broker.end();

    for number in 0..100_000 {
        let event = Event::Appeared { track: number };
        daemon.report(Category::ALL[number as usize % 8], &[event]);
        daemon
            .publisher
            .camera(CameraStatus::Ok, if number % 2 == 0 { "a" } else { "b" });
        daemon.publisher.health(&health());
    }
    assert!(
        resident() < before + (4 << 20),
        "{before} bytes before, {} after",
        resident()
    );
    // Whatever happened then is long past when the broker returns.
    daemon.clock.forward(60);
    daemon.report(Category::Surprise, &[Event::Appeared { track: 999_999 }]);
    let now = daemon.clock.wall();

    broker.run();
    let watcher = broker.watch();
    until("the new state is retained", || {
        broker.retained_at(STATE).contains(&showing(Category::Surprise))
    });
    let state: Value = serde_json::from_str(&broker.retained_at(STATE)).unwrap();
    let time: jiff::Timestamp = state["time"].as_str().unwrap().parse().unwrap();
    assert!(time >= now, "{time} is older than {now}");
    assert_eq!(broker.retained_at(AVAILABILITY), "online");
    // A sign that the events have had their turn.
    daemon.publisher.health(&health());
    watcher.wait_for(HEALTH, "events_dropped");
    let events: Vec<_> = watcher
        .messages()
        .into_iter()
        .filter(|message| message.topic == EVENT)
        .collect();
    assert!(events.len() <= 1, "late events: {events:?}");
    assert!(events.iter().all(|event| event.text().contains("999999")));
    daemon.thread.stop();
}

#[test]
fn a_broker_that_hangs_is_noticed() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    until("connected", || broker.retained_at(AVAILABILITY) == "online");
    broker.signal("STOP");
    daemon.report(Category::Fear, &[]);
    until("given up", || {
        // Nobody answers, and the clock goes on.
        daemon.clock.forward(31);
        daemon.report(Category::Disgust, &[]);
        logged(&format!(":{} lost, trying again: no answer", broker.port)) == 1
    });
    broker.signal("CONT");
    until("back with the newest state", || {
        broker.retained_at(STATE).contains(&showing(Category::Disgust))
    });
    until("online again", || broker.retained_at(AVAILABILITY) == "online");
    daemon.thread.stop();
}

#[test]
fn a_wrong_password_is_for_good() {
    let broker = Broker::start();
    let settings = Mqtt {
        password_file: broker.path("wrong-password"),
        ..broker.settings()
    };
    let daemon = Daemon::start(&settings);
    until("refused", || daemon.publisher.fatal().is_some());
    let error = daemon.publisher.fatal().unwrap();
    assert_eq!(
        (error.kind, error.exit()),
        (PublishErrorKind::Refused, Exit::Broker)
    );
    assert!(
        error.to_string().contains("mqtt.password_file") && !error.to_string().contains("horse"),
        "{error}"
    );
    daemon.thread.stop();
}

#[test]
fn a_wrong_authority_is_logged_once_and_tried_again() {
    let broker = Broker::start();
    let settings = Mqtt {
        ca_file: broker.path("other-ca.pem"),
        ..broker.settings()
    };
    let daemon = Daemon::start(&settings);
    let attempts = || broker.log().matches("SSL routines").count();
    until("three attempts", || attempts() >= 3);
    let port = broker.port;
    assert_eq!(
        logged(&format!(
            "localhost:{port} cannot be reached, trying again: invalid peer certificate"
        )),
        1
    );
    assert_eq!(
        logged(&broker.path("other-ca.pem").display().to_string()),
        1,
        "the file is named"
    );
    assert!(daemon.publisher.fatal().is_none());
    daemon.thread.stop();
}

#[test]
fn privacy_is_commanded_and_hostile_payloads_are_not() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));

    for hostile in [
        &b""[..],
        b"on",
        b"ON\n",
        b"{\"state\":\"ON\"}",
        b"\xff\xfe\0",
        &vec![b'O'; 1 << 20],
    ] {
        watcher.publish(PRIVACY_SET, hostile, false);
    }
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    assert_eq!(logged("ignoring 0 bytes on affectd/lobby/privacy/set"), 1);
    assert_eq!(
        logged("ignoring 1048576 bytes on affectd/lobby/privacy/set"),
        0,
        "one line is enough"
    );
    assert!(daemon.publisher.is_private());
    daemon.report(Category::Happiness, &[Event::Appeared { track: 7 }]);
    until("nothing is shown", || {
        broker.retained_at(STATE).contains(r#""category":"none""#)
    });

    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "OFF");
    assert!(!daemon.publisher.is_private());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));
    assert!(
        watcher.messages().iter().all(|message| message.topic != EVENT),
        "told in privacy"
    );
    daemon.thread.stop();
}

#[test]
fn whoever_sees_it_online_is_heard() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker.settings());
    watcher.wait_for(AVAILABILITY, "online");
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    daemon.thread.stop();
}

#[test]
fn a_broker_that_refuses_subscriptions_still_gets_the_results() {
    let broker = Broker::without_subscribers();
    let mut settings = broker.settings();
    settings.username.clear();
    settings.password_file = PathBuf::new();
    let daemon = Daemon::start(&settings);
    until("the greeting", || {
        packets(&broker).contains(&format!("PUBLISH q1 r1 {PRIVACY}"))
    });
    for topic in [PRIVACY_SET, "homeassistant/status"] {
        assert_eq!(
            logged(&format!("subscribe to {topic}: nothing on it will arrive")),
            1
        );
    }
    daemon.thread.stop();
}

#[test]
fn a_retained_command_may_give_privacy_but_not_take_it() {
    for retained in ["ON", "OFF"] {
        let mut broker = Broker::start();
        broker.watch().publish(PRIVACY_SET, retained, true);
        until("retained", || broker.retained_at(PRIVACY_SET) == retained);
        let watcher = broker.watch();
        let daemon = Daemon::start(&broker.settings());
        daemon.report(Category::Happiness, &[]);
        let commands = |broker: &Broker| broker.log().matches("Received PUBACK from affectd-lobby").count();
        until("the command has arrived", || commands(&broker) == 1);
        if retained == "OFF" {
            watcher.wait_for(STATE, &showing(Category::Happiness));
            watcher.publish(PRIVACY_SET, "ON", false);
        }
        watcher.wait_for(PRIVACY, "ON");
        until("privacy is told", || broker.retained_at(PRIVACY) == "ON");
        let told = watcher.messages();
        let shown = told
            .iter()
            .any(|message| message.text().contains(&showing(Category::Happiness)));
        assert_eq!(
            shown,
            retained == "OFF",
            "a retained ON holds before anything is told"
        );
        drop(watcher);

        // The retained command arrives again at the next connection.
        broker.end();
        let before = commands(&broker);
        broker.run();
        until("the command has arrived again", || commands(&broker) > before);
        until("privacy is told", || broker.retained_at(PRIVACY) == "ON");
        assert!(daemon.publisher.is_private(), "retained {retained}");
        daemon.thread.stop();
    }
}

#[test]
fn a_command_does_not_overrule_the_switch_on_the_device() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));
    daemon.publisher.switch(&Switch::On);
    watcher.wait_for(PRIVACY, "ON");
    until("nobody is shown", || {
        broker.retained_at(STATE).contains(r#""category":"none""#)
    });

    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "ON");
    assert!(daemon.publisher.is_private());
    daemon.publisher.switch(&Switch::Off);
    watcher.wait_for(PRIVACY, "OFF");
    assert!(!daemon.publisher.is_private());
    daemon.thread.stop();
}

#[test]
fn home_assistant_is_answered_when_it_starts() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    until("the daemon is online", || {
        broker.retained_at(AVAILABILITY) == "online"
    });
    let watcher = broker.watch();
    watcher.forget();
    watcher.publish("homeassistant/status", "offline", false);
    watcher.publish("homeassistant/status", "online", false);
    watcher.wait_for(DISCOVERY, "cmps");
    watcher.wait_for(STATE, "category");
    daemon.thread.stop();
}

#[test]
fn without_a_broker_lines_go_to_standard_output() {
    let mut child = Reexecuted::start("stdout");
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut topics = Vec::new();
    while !topics.contains(&"affectd/lobby/face/7".to_owned()) {
        let mut line = String::new();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "ended early; saw {topics:?}"
        );
        // The test harness writes there too, on one core before the first message in its line.
        let start = line.find('{').unwrap_or(0);
        if let Ok(message) = serde_json::from_str::<Value>(&line[start..]) {
            assert!(!message["payload"].is_null());
            topics.push(message["topic"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(topics[..4], [AVAILABILITY, STATE, CAMERA, PRIVACY]);
    drop(output);
    let mut errors = BufReader::new(child.0.stderr.take().unwrap()).lines();
    assert!(
        errors.any(|line| line.unwrap().contains("still alive")),
        "ended with its reader"
    );
}

/// This test binary again, as a process that can be killed.
struct Reexecuted(Child);

const CHILD: &str = "AFFECTD_TEST_CHILD";

impl Reexecuted {
    fn start(argument: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "as_a_child", "--nocapture"])
            .env(CHILD, argument)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Reexecuted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "run by the tests that need a process of their own"]
fn as_a_child() {
    let Ok(argument) = std::env::var(CHILD) else {
        return;
    };
    let settings = match argument.split_once(' ') {
        Some((port, folder)) => broker::settings(port.parse().unwrap(), Path::new(folder)),
        None => Mqtt {
            host: String::new(),
            ..broker::settings(0, Path::new(""))
        },
    };
    let daemon = Daemon::start(&settings);
    loop {
        daemon.report(Category::Happiness, &[]);
        std::thread::sleep(Duration::from_millis(100));
        if logged("standard output is closed") == 1 {
            std::thread::sleep(Duration::from_millis(500));
            eprintln!("still alive");
        }
    }
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
