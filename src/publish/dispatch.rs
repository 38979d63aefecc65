//! Decides which message is due when, numbers it and renders it. Pure: the time and a transport are handed
//! in, so that the same code serves the broker and standard output.

use std::time::Duration;

use jiff::{SignedDuration, civil::Date};
use serde::Serialize;

use super::{
    discovery,
    face_rate::FaceRate,
    identity::Identity,
    outbox::{Outbox, Snapshot},
    pace::Pace,
    payload::{
        CameraPayload, EventPayload, FacePayload, HealthPayload, ScenePayload, Stamp, StateFaces,
        StatePayload, VisitsPayload, privacy_word,
    },
    shared::Now,
    topics::Topics,
    transport::{Backpressure, Message, Payload, Transport},
};
use crate::{capture::CameraStatus, config};

/// Events older than this are dropped: after an outage nobody should act on what is long past.
pub const EVENT_MAX_AGE: Duration = Duration::from_secs(5);

/// Discovery is published at most this often, however often Home Assistant announces a start.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// The visits are published at most this often.
const VISITS_INTERVAL: Duration = Duration::from_secs(1);

/// Decides what is due and renders it into reused buffers.
#[derive(Debug)]
pub struct Dispatcher {
    identity: Identity,
    /// Where messages go.
    pub topics: Topics,
    has_broker: bool,
    /// Empty where the device is withdrawn from Home Assistant.
    discovery: Vec<u8>,
    publishes_faces: bool,
    refresh: Duration,
    due: Due,
    last_discovery: Option<Duration>,
    last_visits: Option<Duration>,
    state_pace: Pace,
    scene_pace: Pace,
    face_rate: FaceRate,
    frame_version: u64,
    health_version: u64,
    state_seq: u64,
    scene_seq: u64,
    face_seq: u64,
    payload: Vec<u8>,
    topic: String,
}

/// What must be published even if it has not changed, and the versions that were last published.
#[derive(Debug, Default)]
struct Due {
    availability: bool,
    discovery: bool,
    /// The version and the date.
    visits: Option<(u64, Date)>,
    camera: Option<u64>,
    privacy: Option<u64>,
    privacy_command: Option<u64>,
}

impl Dispatcher {
    /// Nothing is due before the first [`Self::on_connect`]. Without a broker neither discovery nor the
    /// record of the privacy command is published.
    #[must_use]
    pub fn new(settings: &config::Mqtt, identity: Identity, topics: Topics, has_broker: bool) -> Self {
        let discovery = if settings.discovery {
            discovery::config(&identity, &topics).to_string().into_bytes()
        } else {
            Vec::new()
        };
        let interval = Duration::try_from_secs_f64(1.0 / f64::from(settings.rate)).unwrap_or(Duration::MAX);
        Self {
            has_broker,
            discovery,
            identity,
            topics,
            publishes_faces: settings.faces,
            refresh: settings.refresh,
            due: Due::default(),
            last_discovery: None,
            last_visits: None,
            state_pace: Pace::new(interval, settings.refresh),
            scene_pace: Pace::new(interval, settings.refresh),
            face_rate: FaceRate::new(interval),
            frame_version: 0,
            health_version: 0,
            state_seq: 0,
            scene_seq: 0,
            face_seq: 0,
            payload: Vec::with_capacity(4096),
            topic: String::with_capacity(128),
        }
    }

    /// The daemon's boot id.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.identity.boot
    }

    /// A new connection: everything that is retained is due again, at once.
    pub fn on_connect(&mut self) {
        self.due = Due {
            availability: true,
            ..Due::default()
        };
        self.last_discovery = None;
        self.last_visits = None;
        self.republish_discovery();
    }

    /// Home Assistant has started: discovery and every state are due again.
    pub fn republish_discovery(&mut self) {
        self.due.discovery = self.has_broker;
        self.state_pace.force();
        self.scene_pace.force();
        self.health_version = 0;
        self.due.visits = None;
        self.due.camera = None;
        self.due.privacy = None;
        self.due.privacy_command = None;
    }

    /// Sends everything retained that is due, in the contract's order: availability, discovery, state,
    /// scene, visits, camera, the recorded command, privacy. The record comes first, so that a command that
    /// was answered survives a restart.
    fn send_states(
        &mut self,
        outbox: &Outbox,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let newest = outbox.snapshot();
        if self.due.availability {
            transport.send(Message::retained_word(&self.topics.availability, "online"))?;
            self.due.availability = false;
        }
        if self.due.discovery && after(self.last_discovery, DISCOVERY_INTERVAL) <= now.monotonic {
            transport.send(Message {
                topic: &self.topics.discovery,
                payload: Payload::Json(&self.discovery),
                retain: true,
                acknowledged: true,
            })?;
            self.due.discovery = false;
            self.last_discovery = Some(now.monotonic);
        }
        if self.state_due(&newest) <= now.monotonic {
            self.send_state(&newest, now, transport)?;
        }
        if self.scene_due(&newest) <= now.monotonic {
            self.send_scene(&newest, now, transport)?;
        }
        if self.visits_due(&newest, now) <= now.monotonic {
            self.send_visits(&newest, now, transport)?;
        }
        if self.due.camera != Some(newest.camera.version) {
            self.send_camera(&newest, now, transport)?;
        }
        let command = &newest.privacy_command;
        if let Some(is_on) = command.value
            && self.has_broker
            && self.due.privacy_command != Some(command.version)
        {
            transport.send(Message::retained_word(
                &self.topics.privacy_command,
                privacy_word(is_on),
            ))?;
            self.due.privacy_command = Some(command.version);
        }
        let privacy = &newest.privacy;
        if self.due.privacy != Some(privacy.version) {
            transport.send(Message::retained_word(
                &self.topics.privacy,
                privacy_word(privacy.value),
            ))?;
            self.due.privacy = Some(privacy.version);
        }
        Ok(())
    }

    /// Sends everything that is due. Returns for how long nothing more will be due unless the outbox changes.
    ///
    /// # Errors
    /// [`Backpressure`] if something that is due could not be sent.
    pub fn send_due(
        &mut self,
        outbox: &Outbox,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<Duration, Backpressure> {
        self.send_states(outbox, now, transport)?;
        self.send_events(outbox, now, transport)?;
        let newest = outbox.snapshot();
        self.send_faces(&newest, now, transport)?;
        self.send_health(&newest, now, transport)?;
        Ok(self.next_due(&newest, now).saturating_sub(now.monotonic))
    }

    /// The last messages of a clean exit: state and scene without a face, the camera disabled or why it cannot be
    /// used, then `stopped`.
    ///
    /// # Errors
    /// [`Backpressure`] if they could not be sent.
    pub fn publish_offline(
        &mut self,
        outbox: &Outbox,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        if outbox.snapshot().camera.value.status != CameraStatus::Unsupported {
            outbox.camera(CameraStatus::Disabled, "stopped");
        }
        let newest = outbox.snapshot();
        self.send_state(&newest, now, transport)?;
        self.send_scene(&newest, now, transport)?;
        self.send_camera(&newest, now, transport)?;
        transport.send(Message::retained_word(&self.topics.availability, "stopped"))
    }

    fn send_camera(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let camera = &newest.camera.value;
        render(
            &mut self.payload,
            &CameraPayload::new(&self.identity, camera.status, &camera.reason, now.wall),
        );
        transport.send(Message {
            topic: &self.topics.camera,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.due.camera = Some(newest.camera.version);
        Ok(())
    }

    fn send_state(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let stamp = stamp(newest, now, self.state_seq);
        let faces = if newest.captured.is_none() {
            StateFaces::Unknown
        } else if newest.withheld {
            StateFaces::Withheld
        } else {
            StateFaces::Followed(&newest.faces)
        };
        let state = StatePayload::new(&self.identity, faces, self.refresh, stamp);
        render(&mut self.payload, &state);
        transport.send(Message {
            topic: &self.topics.state,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.state_seq += 1;
        self.state_pace
            .record(now.monotonic, newest.state_version, newest.is_sensing());
        Ok(())
    }

    fn send_scene(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let stamp = stamp(newest, now, self.scene_seq);
        let scene = ScenePayload::new(&self.identity, newest.scene.as_ref(), self.refresh, stamp);
        render(&mut self.payload, &scene);
        transport.send(Message {
            topic: &self.topics.scene,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.scene_seq += 1;
        self.scene_pace
            .record(now.monotonic, newest.scene_version, newest.is_sensing());
        Ok(())
    }

    fn send_visits(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let visits = VisitsPayload::new(&self.identity, &newest.visits.value, now.date, now.wall);
        render(&mut self.payload, &visits);
        transport.send(Message {
            topic: &self.topics.visits,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.due.visits = Some((newest.visits.version, now.date));
        self.last_visits = Some(now.monotonic);
        Ok(())
    }

    fn send_health(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let version = newest.health.version;
        let Some(health) = newest
            .health
            .value
            .as_ref()
            .filter(|_| version != self.health_version)
        else {
            return Ok(());
        };
        let payload = HealthPayload::new(&self.identity, health, newest.events_dropped, now.wall);
        render(&mut self.payload, &payload);
        transport.send(Message {
            topic: &self.topics.health,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: false,
        })?;
        self.health_version = version;
        Ok(())
    }

    fn send_events(
        &mut self,
        outbox: &Outbox,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let oldest = now.monotonic.saturating_sub(EVENT_MAX_AGE);
        while let Some(queued) = outbox.first_event(oldest) {
            let age = now.monotonic.saturating_sub(queued.at);
            let age = SignedDuration::try_from(age).unwrap_or_default();
            let time = now.wall.checked_sub(age).unwrap_or(now.wall);
            let event = EventPayload::new(&self.identity, &queued.event, queued.seq, time);
            render(&mut self.payload, &event);
            transport.send(Message {
                topic: &self.topics.event,
                payload: Payload::Json(&self.payload),
                retain: false,
                acknowledged: true,
            })?;
            outbox.remove_event(queued.seq);
        }
        Ok(())
    }

    fn send_faces(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        self.face_rate.forget_others(&newest.faces);
        if !self.publishes_faces {
            self.frame_version = newest.frame_version;
        }
        if self.frame_version == newest.frame_version {
            return Ok(());
        }
        let mut is_complete = true;
        for face in &newest.faces {
            if self.face_rate.due(face.track) > now.monotonic {
                is_complete = false;
                continue;
            }
            let stamp = stamp(newest, now, self.face_seq);
            render(
                &mut self.payload,
                &FacePayload::new(&self.identity, face, newest.size, stamp),
            );
            self.topics.face(face.track, &mut self.topic);
            transport.send(Message {
                topic: &self.topic,
                payload: Payload::Json(&self.payload),
                retain: false,
                acknowledged: false,
            })?;
            self.face_seq += 1;
            self.face_rate.record(face.track, now.monotonic);
        }
        if is_complete {
            self.frame_version = newest.frame_version;
        }
        Ok(())
    }

    fn state_due(&self, newest: &Snapshot) -> Duration {
        self.state_pace.due(newest.state_version, newest.is_sensing())
    }

    fn scene_due(&self, newest: &Snapshot) -> Duration {
        self.scene_pace.due(newest.scene_version, newest.is_sensing())
    }

    /// When the visits are due: they have changed, or it is another day; otherwise at the refresh, because they
    /// expire at the broker.
    fn visits_due(&self, newest: &Snapshot, now: Now) -> Duration {
        if self.due.visits == Some((newest.visits.version, now.date)) {
            after(self.last_visits, self.refresh)
        } else {
            after(self.last_visits, VISITS_INTERVAL)
        }
    }

    fn next_due(&self, newest: &Snapshot, now: Now) -> Duration {
        let mut next = self.state_due(newest).min(self.scene_due(newest));
        next = next.min(self.visits_due(newest, now));
        if self.due.discovery {
            next = next.min(after(self.last_discovery, DISCOVERY_INTERVAL));
        }
        if self.frame_version != newest.frame_version {
            next = next.min(self.face_rate.next_due());
        }
        next
    }
}

/// Stamps a message about the newest frame.
fn stamp(newest: &Snapshot, now: Now, seq: u64) -> Stamp {
    let age = newest
        .captured
        .map(|captured| now.monotonic.saturating_sub(captured));
    Stamp {
        seq,
        time: now.wall,
        age,
    }
}

/// `interval` after `last`; at once without a last time.
fn after(last: Option<Duration>, interval: Duration) -> Duration {
    last.map_or(Duration::ZERO, |last| last.saturating_add(interval))
}

fn render(buffer: &mut Vec<u8>, payload: &impl Serialize) {
    buffer.clear();
    // Serializing these types to memory cannot fail.
    let _ = serde_json::to_writer(buffer, payload);
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
