//! One device: simulated faces that come and go, and the daemon's own code from there on.

use std::{sync::Arc, time::Duration};

use affectd::{
    capture::CameraStatus,
    clock::{Clock as _, SystemClock},
    config::Settings,
    health::{Board, Health},
    model::VaOrigin,
    privacy::{Input, PrivacyGate},
    publish::{Environment, Identity, Publisher, PublisherThread},
    requests::Requests,
    sense::{
        detection::{Detection, Landmarks},
        face::{Category, Label, Prediction, Probabilities, Smoothed, TrackedFace},
        geometry::Rect,
        report::{Event, Report},
        scene::SceneSummary,
        visits::Visits,
    },
    shutdown::Shutdown,
};

/// A face comes into view this often.
pub const PERIOD: Duration = Duration::from_secs(20);
/// How long it stays.
pub const STAY: Duration = Duration::from_secs(8);
/// The share of its stay after which it begins to smile.
const NEUTRAL: f64 = 0.5;

/// A device that publishes.
pub struct Device {
    publisher: Publisher,
    thread: PublisherThread,
    gate: PrivacyGate,
    clock: Arc<SystemClock>,
    /// Phase within the period, so devices are not in step.
    offset: Duration,
    scene: SceneSummary,
    visits: Visits,
    track: u32,
    label: Option<Category>,
    health_due: Duration,
    health: Duration,
}

impl Device {
    /// Starts the device with this number, which determines the preferred one of several brokers, so a fleet
    /// is spread over them.
    pub fn start(settings: &Settings, number: usize, clock: Arc<SystemClock>) -> Self {
        let identity = Identity::new(
            format!("device-{number:05}").parse().unwrap(),
            "maxvit-ferplus-64",
            &"0123456789abcdef".repeat(4),
            &Category::ALL,
            VaOrigin::Projected,
        );
        let gate = PrivacyGate::new().unwrap();
        gate.set_switch(Input::Off);
        let environment = Environment {
            clock: Arc::clone(&clock) as _,
            gate: gate.clone(),
            requests: Arc::new(Requests::new(false, true)),
            shutdown: Shutdown::new(),
        };
        let mut mqtt = settings.mqtt.clone();
        let preferred = number % mqtt.host.len();
        mqtt.host.rotate_left(preferred);
        let (publisher, thread) = Publisher::start(&mqtt, identity, environment).unwrap();
        Self {
            publisher,
            thread,
            gate,
            // The golden ratio spreads any number of devices evenly.
            offset: PERIOD.mul_f64((number as f64 * 0.618_034).fract()),
            scene: SceneSummary::new(&settings.smoothing, &settings.publish),
            visits: Visits::new(&settings.visit),
            track: 0,
            label: None,
            health_due: Duration::ZERO,
            health: settings.mqtt.health,
            clock,
        }
    }

    /// Whether the broker has accepted the device and answered its query for earlier commands.
    pub fn is_accepted(&self) -> bool {
        self.gate.permit().is_some()
    }

    /// Visits that have ended, each announced with an event.
    pub fn visits(&self) -> u64 {
        self.visits.totals().since_start.visits
    }

    /// One frame of the camera, which is open while the device is accepted.
    pub fn frame(&mut self) {
        if !self.is_accepted() {
            return;
        }
        self.publisher.camera(CameraStatus::Ok, "");
        let now = self.clock.now();
        let since = Duration::from_secs_f64((now + self.offset).as_secs_f64() % PERIOD.as_secs_f64());
        let mut report = Report {
            size: (640, 480),
            captured: Some(now),
            ..Report::default()
        };
        let label = (since < STAY).then(|| {
            if since < STAY.mul_f64(NEUTRAL) {
                Category::Neutral
            } else {
                Category::Happiness
            }
        });
        match (self.label, label) {
            (None, Some(_)) => {
                self.track += 1;
                let _ = report.events.push(Event::Appeared {
                    track: self.track,
                    continues: None,
                });
            }
            (Some(from), Some(to)) if from != to => {
                let _ = report.events.push(Event::Changed {
                    track: self.track,
                    from: Label::Category(from),
                    to: Label::Category(to),
                });
            }
            _ => {}
        }
        self.label = label;
        if let Some(label) = label {
            let _ = report.faces.push(face(self.track, label, since));
        }
        let date = self.clock.local_date();
        self.visits.update(now, date, &report.faces, &mut report.events);
        report.scene = self.scene.update(&report.faces, self.visits.is_any_open());
        report.visits = self.visits.totals();
        self.publisher.report(&report);
        if now >= self.health_due {
            self.health_due = now + self.health;
            self.publisher.health(&Health {
                fps: 15.0,
                board: Board::default(),
                uptime: now,
                ..Health::default()
            });
        }
    }

    /// A clean exit.
    pub fn stop(self) {
        self.thread.stop().unwrap();
    }
}

/// A face as tracked and classified; numbers vary from frame to frame, as they do with a camera.
fn face(track: u32, label: Category, since: Duration) -> TrackedFace {
    let noise = (since.as_secs_f32() * 7.0).sin() * 0.03;
    let mut weights = [0.02; 8];
    weights[label as usize] = 0.86 + noise;
    let prediction = Prediction {
        probabilities: Probabilities::from_weights(weights),
        valence: Some(0.4 + noise),
        arousal: Some(-0.2 - noise),
    };
    TrackedFace {
        track,
        detection: Detection {
            rect: Rect {
                x: 300.0 + 100.0 * noise,
                y: 120.0,
                width: 96.0,
                height: 120.0,
            },
            score: 0.9,
            landmarks: Landmarks::default(),
        },
        seen: true,
        attending: true,
        quality: 0.8,
        raw: Some(prediction),
        smoothed: Some(Smoothed {
            label: Label::Category(label),
            prediction,
            poor: false,
        }),
        ..TrackedFace::default()
    }
}
