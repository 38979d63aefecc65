//! The privacy switch and the LED, from the GPIO lines to an MQTT subscriber: the whole pipeline with an
//! endless camera, a real broker, and simulated GPIO lines.

use crate::common::{broker, sensor};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use affectd::{
    capture::{CaptureError, Frame, Opener, PixelFormat, Source, Stream},
    clock::{Clock, SystemClock},
    error::Failure,
    gpio::{GpioConfigured, GpioError, PrivacyIo},
    health::Governor,
    interrupt::Interrupt,
    measure::clip,
    model::VaOrigin,
    pipeline::{self, Deps, Metrics, SensorSource},
    preview::Preview,
    privacy::PrivacyGate,
    publish::{Environment, Identity, Publisher},
    requests::Requests,
    shutdown::Shutdown,
};
use serde_json::Value;

use broker::{Broker, Watcher, until};

const STATE: &str = "affectd/lobby/state";
const CAMERA: &str = "affectd/lobby/camera";
const PRIVACY: &str = "affectd/lobby/privacy";
const PRIVACY_SET: &str = "affectd/lobby/privacy/set";

/// Shows the second portrait of the clip endlessly.
struct Portrait {
    clock: Arc<dyn Clock>,
    open: Arc<AtomicBool>,
    stream: Stream,
}

/// The camera is closed when it is dropped.
struct Showing(Portrait);

impl Opener for Portrait {
    fn discard(&mut self) {}
    fn open(&mut self, _: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        self.open.store(true, SeqCst);
        Ok(Box::new(Showing(Self {
            clock: self.clock.clone(),
            open: self.open.clone(),
            stream: self.stream.clone(),
        })))
    }
}

impl Source for Showing {
    fn next(&mut self, frame: &mut Frame, _: &Interrupt) -> Result<(), CaptureError> {
        thread::sleep(Duration::from_millis(100));
        let picture = clip::pictures().nth(30).unwrap();
        clip::fill(frame, picture, 0, self.0.clock.now());
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.0.stream
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        self.0.open.store(false, SeqCst);
    }
}

/// State of the simulated lines.
struct Lines {
    /// Whether the switch requests privacy, or why it cannot be read.
    switch: Mutex<Result<bool, &'static str>>,
    /// Reading the switch blocks while this is set.
    blocked: AtomicBool,
    led_fails: AtomicBool,
    lit: AtomicBool,
}

struct Wired(Arc<Lines>);

impl PrivacyIo for Wired {
    fn is_private(&mut self) -> Result<bool, GpioError> {
        while self.0.blocked.load(SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
        self.0.switch.lock().unwrap().map_err(unusable)
    }

    fn set_led(&mut self, lit: bool) -> Result<(), GpioError> {
        if self.0.led_fails.load(SeqCst) {
            return Err(unusable("burnt out"));
        }
        self.0.lit.store(lit, SeqCst);
        Ok(())
    }
}

fn unusable(reason: &str) -> GpioError {
    GpioError::Unusable {
        key: "gpio.switch",
        what: "line 3 of /dev/gpiochip7".into(),
        reason: reason.into(),
    }
}

/// A daemon with GPIO lines.
struct Daemon {
    lines: Arc<Lines>,
    camera: Arc<AtomicBool>,
    preview: Preview,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Daemon {
    fn start(broker: &Broker, switch: Result<bool, &'static str>) -> Self {
        let settings = sensor::settings();
        let (sensor, manifest) = sensor::sensor();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let lines = Arc::new(Lines {
            switch: Mutex::new(switch),
            blocked: AtomicBool::new(false),
            led_fails: AtomicBool::new(false),
            lit: AtomicBool::new(false),
        });
        let camera = Arc::new(AtomicBool::new(false));
        let (width, height) = clip::SIZE;
        let opener = Portrait {
            clock: clock.clone(),
            open: camera.clone(),
            stream: Stream {
                name: "portrait".into(),
                format: PixelFormat::Mjpeg,
                width,
                height,
                rate: None,
            },
        };
        let identity = Identity::new(
            "lobby".parse().unwrap(),
            &manifest.name,
            "0123456789ab",
            &[],
            VaOrigin::Projected,
        );
        let shutdown = Shutdown::new();
        let gate = PrivacyGate::new().unwrap();
        let requests = Arc::new(Requests::new(true, false));
        let environment = Environment {
            clock: clock.clone(),
            gate: gate.clone(),
            requests: requests.clone(),
            shutdown: shutdown.clone(),
        };
        let preview = Preview::new(&gate);
        let (publisher, publishing) = Publisher::start(&broker.settings(), identity, environment).unwrap();
        let deps = Deps {
            opener: Box::new(opener),
            sensor: SensorSource::Loaded(Box::new(sensor)),
            gpio: Some(GpioConfigured {
                io: Box::new(Wired(lines.clone())),
                has_led: true,
                debounce: Some(Duration::from_millis(50)),
            }),
            preview: preview.clone(),
            gate,
            requests,
            sink: Arc::new(publisher),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            governor: Governor::new(settings.health),
            health_interval: Duration::from_secs(10),
        };
        let thread = thread::spawn(move || {
            let result = pipeline::run(deps, &Arc::new(Metrics::new()));
            publishing.stop().unwrap();
            result
        });
        Self {
            lines,
            camera,
            preview,
            clock,
            shutdown,
            thread,
        }
    }

    fn set_switch(&self, switch: Result<bool, &'static str>) {
        *self.lines.switch.lock().unwrap() = switch;
    }

    fn is_lit(&self) -> bool {
        self.lines.lit.load(SeqCst)
    }

    fn is_camera_open(&self) -> bool {
        self.camera.load(SeqCst)
    }

    /// Waits until a subscriber sees a face, with the LED on.
    fn senses(&self, watcher: &Watcher) {
        watcher.wait("a face", |messages| {
            messages
                .iter()
                .any(|message| message.topic == STATE && json(&message.text())["faces"] == 1)
        });
        until("the LED is on", || self.is_lit());
    }

    /// Waits until the camera is closed and the retained messages show an empty state and `reason`.
    fn is_private(&self, broker: &Broker, reason: &str) {
        until("the LED is off", || !self.is_lit());
        assert!(!self.is_camera_open(), "the LED is off, but the camera is open");
        until("the reason is published", || {
            let camera = json(&broker.retained_at(CAMERA));
            camera["status"] == "disabled" && camera["reason"] == reason
        });
        assert_eq!(broker.retained_at(PRIVACY), "ON");
        let state = json(&broker.retained_at(STATE));
        assert_eq!((&state["faces"], &state["age"]), (&Value::Null, &Value::Null));
    }

    fn stop(self) {
        self.shutdown.raise();
        self.thread.join().unwrap().unwrap();
        assert!(!self.lines.lit.load(SeqCst), "the LED is left on");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[test]
fn the_switch_stops_sensing_and_no_command_resumes_it() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker, Ok(false));
    daemon.senses(&watcher);
    let messages = watcher.messages();
    let mut cameras = messages.iter().filter(|message| message.topic == CAMERA);
    assert!(
        cameras.all(|message| !message.text().contains("is on")),
        "a switch that settles was never on"
    );

    daemon.set_switch(Ok(true));
    daemon.is_private(&broker, "the privacy switch is on");
    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "ON");
    watcher.publish(PRIVACY_SET, "ON", false);
    daemon.is_private(
        &broker,
        "privacy was turned on by a command, and the privacy switch is on",
    );
    daemon.set_switch(Ok(false));
    daemon.is_private(&broker, "privacy was turned on by a command");

    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "OFF");
    daemon.senses(&watcher);
    daemon.stop();
}

#[test]
fn an_unreadable_switch_stops_sensing_until_it_recovers() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker, Ok(false));
    daemon.senses(&watcher);
    daemon.set_switch(Err("No such device"));
    let reason = "the privacy switch cannot be read: gpio.switch: line 3 of /dev/gpiochip7: No such device";
    daemon.is_private(&broker, reason);
    watcher.forget();
    daemon.set_switch(Ok(false));
    daemon.senses(&watcher);

    // The same for a driver that blocks.
    daemon.lines.blocked.store(true, SeqCst);
    let reason = "the privacy switch cannot be read: its driver does not answer";
    until("the reason is published", || {
        json(&broker.retained_at(CAMERA))["reason"] == reason
    });
    until("the camera is closed", || !daemon.is_camera_open());
    watcher.forget();
    daemon.lines.blocked.store(false, SeqCst);
    daemon.senses(&watcher);
    daemon.stop();
}

#[test]
fn without_a_readable_switch_the_daemon_starts_private_and_stays_alive() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker, Err("Permission denied"));
    let reason =
        "the privacy switch cannot be read: gpio.switch: line 3 of /dev/gpiochip7: Permission denied";
    daemon.is_private(&broker, reason);
    thread::sleep(Duration::from_secs(2));
    assert!(!daemon.thread.is_finished() && !daemon.is_camera_open());

    daemon.set_switch(Ok(false));
    daemon.senses(&broker.watch());
    daemon.stop();
}

#[test]
fn the_led_blinks_to_identify_the_device() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker, Ok(false));
    daemon.senses(&watcher);
    watcher.publish(
        "affectd/lobby/command",
        r#"{"id": 1, "command": "identify"}"#,
        false,
    );
    watcher.wait_for(
        "affectd/lobby/result",
        r#"{"id":1,"command":"identify","ok":true"#,
    );
    for _ in 0..3 {
        until("the LED is off", || !daemon.is_lit());
        assert!(daemon.is_camera_open());
        until("the LED is on", || daemon.is_lit());
    }
    daemon.stop();
}

#[test]
fn an_led_failure_is_not_fatal() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker, Ok(true));
    daemon.lines.led_fails.store(true, SeqCst);
    daemon.set_switch(Ok(false));
    until("the camera is open", || daemon.is_camera_open());
    watcher.wait_for(CAMERA, r#""status":"ok""#);
    assert!(!daemon.is_lit());

    // Setting the LED is retried.
    daemon.lines.led_fails.store(false, SeqCst);
    daemon.senses(&watcher);
    // The chip was reset and the LED is off.
    daemon.lines.lit.store(false, SeqCst);
    until("the LED is on again", || daemon.is_lit());
    daemon.stop();
}

#[test]
fn the_led_blinks_while_a_picture_is_sent_and_the_switch_ends_that() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker, Ok(false));
    daemon.senses(&watcher);
    daemon.preview.open(daemon.clock.now() + Duration::from_secs(600));
    thread::sleep(Duration::from_millis(600));
    assert!(daemon.is_lit(), "nobody asks for a picture");

    // Pictures come half a second apart, which is a period of the blinking, so the LED is watched in
    // parallel.
    let watched = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !watched.load(SeqCst) {
                let receiver = daemon.preview.request(daemon.clock.now()).unwrap();
                let snapshot = receiver.blocking_recv().unwrap();
                assert!(snapshot.picture().rgb().iter().any(|value| *value > 0));
            }
        });
        for lit in [false, true, false, true] {
            until("the LED blinks", || daemon.is_lit() == lit);
        }
        watched.store(true, SeqCst);
    });
    assert!(daemon.is_camera_open());

    daemon.set_switch(Ok(true));
    daemon.is_private(&broker, "the privacy switch is on");
    assert!(daemon.preview.request(daemon.clock.now()).is_none());
    daemon.set_switch(Ok(false));
    watcher.forget();
    daemon.senses(&watcher);
    assert!(daemon.preview.request(daemon.clock.now()).is_none());
    daemon.stop();
}
