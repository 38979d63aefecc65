//! Which message is due when: rates, refreshes, numbers and rendering. Pure: the time and a sink are handed
//! in, so the same code serves the broker and standard output.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Identity, discovery,
    outbox::{Current, Outbox},
    payload::{
        CameraPayload, CameraStatus, EventPayload, FacePayload, HealthMessage, Stamp, StatePayload,
        privacy_word,
    },
    topics::Topics,
};
use crate::{config, sense::face::MAX_FACES};

/// Events older than this are dropped: after an outage nobody may act on what is long past.
pub const EVENT_MAX_AGE: Duration = Duration::from_secs(5);

/// Discovery is published at most this often, however often Home Assistant says that it started.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// One message on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What.
    pub payload: Payload<'a>,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// Whether the broker must acknowledge it (QoS 1) or not (QoS 0).
    pub acknowledged: bool,
}

/// A message's content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Payload<'a> {
    /// JSON text.
    Json(&'a [u8]),
    /// A bare word.
    Word(&'a str),
}

impl<'a> Payload<'a> {
    /// As it goes to the broker.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Json(json) => json,
            Self::Word(word) => word.as_bytes(),
        }
    }
}

/// There is no room for a message now; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Where messages go. Never blocks for long.
pub trait Sink {
    /// Takes a message.
    ///
    /// # Errors
    /// [`Full`] if it cannot be taken now.
    fn send(&mut self, message: Message<'_>) -> Result<(), Full>;
}

/// The time in both kinds.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Of [`crate::clock::Clock::now`].
    pub monotonic: Duration,
    /// Of [`crate::clock::Clock::wall`].
    pub wall: Timestamp,
}

/// Decides what is due and renders it into reused buffers.
#[derive(Debug)]
pub struct Dispatcher {
    identity: Identity,
    /// Where messages go.
    pub topics: Topics,
    discovery: Option<Vec<u8>>,
    interval: Duration,
    refresh: Duration,
    due: Due,
    last_discovery: Option<Duration>,
    last_state: Option<LastState>,
    faces: heapless::Vec<(u32, Duration), MAX_FACES>,
    frame: u64,
    health: u64,
    state_seq: u64,
    face_seq: u64,
    payload: Vec<u8>,
    topic: String,
}

/// What must go out whether or not it changed, and the versions that went out last.
#[derive(Debug, Default)]
struct Due {
    availability: bool,
    discovery: bool,
    state: bool,
    camera: Option<u64>,
    privacy: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct LastState {
    at: Duration,
    version: u64,
    blank: bool,
}

impl Dispatcher {
    /// Nothing is due before the first [`Self::greet`].
    #[must_use]
    pub fn new(settings: &config::Mqtt, identity: Identity, topics: Topics, discovery: bool) -> Self {
        let discovery = discovery.then(|| discovery::config(&identity, &topics).to_string().into_bytes());
        Self {
            discovery,
            identity,
            topics,
            interval: Duration::try_from_secs_f64(1.0 / f64::from(settings.rate)).unwrap_or(Duration::MAX),
            refresh: settings.refresh,
            due: Due::default(),
            last_discovery: None,
            last_state: None,
            faces: heapless::Vec::new(),
            frame: 0,
            health: 0,
            state_seq: 0,
            face_seq: 0,
            payload: Vec::with_capacity(4096),
            topic: String::with_capacity(128),
        }
    }

    /// A new connection: everything that is retained is due again, at once.
    pub fn greet(&mut self) {
        self.due = Due {
            availability: true,
            ..Due::default()
        };
        self.last_discovery = None;
        self.announce();
    }

    /// Home Assistant has started: discovery and every state are due again.
    pub fn announce(&mut self) {
        self.due.discovery = self.discovery.is_some();
        self.due.state = true;
        self.due.camera = None;
        self.due.privacy = None;
    }

    /// Sends everything retained that is due, in the contract's order: availability, discovery, state,
    /// camera, privacy.
    fn send_states(&mut self, outbox: &Outbox, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        let current = outbox.current();
        if self.due.availability {
            sink.send(word(&self.topics.availability, "online"))?;
            self.due.availability = false;
        }
        if self.due.discovery && after(self.last_discovery, DISCOVERY_INTERVAL) <= now.monotonic {
            if let Some(discovery) = &self.discovery {
                sink.send(Message {
                    topic: &self.topics.discovery,
                    payload: Payload::Json(discovery),
                    retain: true,
                    acknowledged: true,
                })?;
            }
            self.due.discovery = false;
            self.last_discovery = Some(now.monotonic);
        }
        if self.state_due(&current) <= now.monotonic {
            self.send_state(&current, now, sink)?;
        }
        if self.due.camera != Some(current.camera.2) {
            self.send_camera(&current, now, sink)?;
        }
        let (privacy, version) = current.privacy;
        if self.due.privacy != Some(version) {
            sink.send(word(&self.topics.privacy, privacy_word(privacy)))?;
            self.due.privacy = Some(version);
        }
        Ok(())
    }

    /// Sends everything that is due, and returns for how long nothing will be unless the outbox changes.
    ///
    /// # Errors
    /// [`Full`] if something is left to be sent.
    pub fn send_due(&mut self, outbox: &Outbox, now: Now, sink: &mut impl Sink) -> Result<Duration, Full> {
        self.send_states(outbox, now, sink)?;
        self.send_events(outbox, now, sink)?;
        let current = outbox.current();
        self.send_faces(&current, now, sink)?;
        if let (Some(health), version) = &current.health
            && *version != self.health
        {
            let message = HealthMessage::new(&self.identity, health, current.events_dropped, now.wall);
            render(&mut self.payload, &message);
            sink.send(Message {
                topic: &self.topics.health,
                payload: Payload::Json(&self.payload),
                retain: false,
                acknowledged: false,
            })?;
            self.health = *version;
        }
        Ok(self.next_due(&current).saturating_sub(now.monotonic))
    }

    /// The last words of a clean exit: the state without a face, the camera disabled or why it cannot be used, then `stopped`.
    ///
    /// # Errors
    /// [`Full`] if there is no room for them.
    pub fn farewell(&mut self, outbox: &Outbox, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        if outbox.current().camera.0 != CameraStatus::Unsupported {
            outbox.camera(CameraStatus::Disabled, "stopped");
        }
        let current = outbox.current();
        self.send_state(&current, now, sink)?;
        self.send_camera(&current, now, sink)?;
        sink.send(word(&self.topics.availability, "stopped"))
    }

    fn send_camera(&mut self, current: &Current, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        let (status, reason, version) = &current.camera;
        render(
            &mut self.payload,
            &CameraPayload::new(&self.identity, *status, reason, now.wall),
        );
        sink.send(Message {
            topic: &self.topics.camera,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.due.camera = Some(*version);
        Ok(())
    }

    fn send_state(&mut self, current: &Current, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        let stamp = Stamp {
            seq: self.state_seq,
            time: now.wall,
            age: current
                .captured
                .map(|captured| now.monotonic.saturating_sub(captured)),
        };
        let state = StatePayload::new(&self.identity, &current.faces, self.refresh, stamp);
        render(&mut self.payload, &state);
        sink.send(Message {
            topic: &self.topics.state,
            payload: Payload::Json(&self.payload),
            retain: true,
            acknowledged: true,
        })?;
        self.state_seq += 1;
        self.due.state = false;
        self.last_state = Some(LastState {
            at: now.monotonic,
            version: current.state,
            blank: !current.sensing(),
        });
        Ok(())
    }

    fn send_events(&mut self, outbox: &Outbox, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        let oldest = now.monotonic.saturating_sub(EVENT_MAX_AGE);
        while let Some(waiting) = outbox.first_event(oldest) {
            let age = now.monotonic.saturating_sub(waiting.at);
            let age = SignedDuration::try_from(age).unwrap_or_default();
            let time = now.wall.checked_sub(age).unwrap_or(now.wall);
            let event = EventPayload::new(&self.identity, &waiting.event, waiting.seq, time);
            render(&mut self.payload, &event);
            sink.send(Message {
                topic: &self.topics.event,
                payload: Payload::Json(&self.payload),
                retain: false,
                acknowledged: true,
            })?;
            outbox.remove_event(waiting.seq);
        }
        Ok(())
    }

    fn send_faces(&mut self, current: &Current, now: Now, sink: &mut impl Sink) -> Result<(), Full> {
        self.faces
            .retain(|(track, _)| current.faces.iter().any(|face| face.track == *track));
        if self.frame == current.frame {
            return Ok(());
        }
        let mut waiting = false;
        for face in &current.faces {
            let place = self.faces.iter().position(|(track, _)| *track == face.track);
            let last = place.map(|place| self.faces[place].1);
            if after(last, self.interval) > now.monotonic {
                waiting = true;
                continue;
            }
            let stamp = Stamp {
                seq: self.face_seq,
                time: now.wall,
                age: current
                    .captured
                    .map(|captured| now.monotonic.saturating_sub(captured)),
            };
            render(
                &mut self.payload,
                &FacePayload::new(&self.identity, face, current.size, stamp),
            );
            self.topics.face(face.track, &mut self.topic);
            sink.send(Message {
                topic: &self.topic,
                payload: Payload::Json(&self.payload),
                retain: false,
                acknowledged: false,
            })?;
            self.face_seq += 1;
            match place {
                Some(place) => self.faces[place].1 = now.monotonic,
                // As many entries as faces at most.
                None => self.faces.push((face.track, now.monotonic)).unwrap_or_default(),
            }
        }
        if !waiting {
            self.frame = current.frame;
        }
        Ok(())
    }

    /// When the state is due: at once after a greeting or when the faces were just forgotten, at the rate
    /// when it changed, otherwise at the refresh.
    fn state_due(&self, current: &Current) -> Duration {
        match self.last_state {
            Some(last) if !self.due.state => {
                if !current.sensing() && !last.blank {
                    Duration::ZERO
                } else if current.state != last.version {
                    last.at.saturating_add(self.interval.min(self.refresh))
                } else {
                    last.at.saturating_add(self.refresh)
                }
            }
            _ => Duration::ZERO,
        }
    }

    fn next_due(&self, current: &Current) -> Duration {
        let mut next = self.state_due(current);
        if self.due.discovery {
            next = next.min(after(self.last_discovery, DISCOVERY_INTERVAL));
        }
        if self.frame != current.frame {
            let faces = self
                .faces
                .iter()
                .map(|(_, last)| after(Some(*last), self.interval));
            next = faces.fold(next, Duration::min);
        }
        next
    }
}

fn word<'a>(topic: &'a str, word: &'a str) -> Message<'a> {
    Message {
        topic,
        payload: Payload::Word(word),
        retain: true,
        acknowledged: true,
    }
}

/// `interval` after `last`; without a last time, at once.
fn after(last: Option<Duration>, interval: Duration) -> Duration {
    last.map_or(Duration::ZERO, |last| last.saturating_add(interval))
}

fn render(buffer: &mut Vec<u8>, payload: &impl Serialize) {
    buffer.clear();
    // Writing our own structures to memory cannot fail.
    let _ = serde_json::to_writer(buffer, payload);
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
