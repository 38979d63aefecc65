//! Decides when each message is due, numbers it and renders it. Pure: the time and a transport are passed in,
//! so the same code serves the broker and standard output.

mod dead_band;
mod face_rate;
mod faces;
mod inputs;
mod privacy_limit;
mod render;
mod results;
mod topic_limiter;
mod visits;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use self::{
    faces::Faces,
    inputs::Inputs,
    privacy_limit::PrivacyLimit,
    render::{Delivery, Renderer},
    results::Results,
    visits::Visits,
};
use super::{
    command::{Answer, Commands},
    discovery,
    identity::Identity,
    outbox::{Outbox, Snapshot},
    payload::{CameraPayload, EventPayload, HealthPayload, ResultPayload, privacy_word},
    shared::Now,
    topics::Topics,
    transport::{Backpressure, Message, Payload, Transport},
};
use crate::{
    capture::CameraStatus,
    config::{self, MessageRate},
    requests::Requests,
};

/// Events older than this are dropped: after an outage, nobody should act on outdated events.
pub const EVENT_MAX_AGE: Duration = Duration::from_secs(5);

/// Minimum interval between two repetitions of everything, however often Home Assistant announces a start.
const BIRTH_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of queued answers; fewer commands than this are answered per second.
const MAX_ANSWERS: usize = 8;

/// Decides what is due and renders it into a reused buffer.
#[derive(Debug)]
pub struct Dispatcher {
    identity: Identity,
    /// The topics to publish to.
    pub topics: Topics,
    has_broker: bool,
    /// Empty to withdraw the device from Home Assistant.
    discovery: Vec<u8>,
    due: Due,
    /// When everything was last repeated because Home Assistant had started.
    last_birth: Option<Duration>,
    privacy_limit: PrivacyLimit,
    rate: MessageRate,
    results: Results,
    visits: Visits,
    faces: Faces,
    health_version: u64,
    commands: Commands,
    answers: heapless::Deque<Answer, MAX_ANSWERS>,
    renderer: Renderer,
}

/// What must be published even if it has not changed, and the versions that were last published.
#[derive(Debug, Default)]
struct Due {
    availability: bool,
    /// Home Assistant has started, so everything must be repeated.
    birth: bool,
    discovery: bool,
    camera: Option<u64>,
    privacy: Option<u64>,
    privacy_command: Option<u64>,
}

impl Dispatcher {
    /// Nothing is due before the first [`Self::on_connect`]. Without a broker neither discovery nor the
    /// record of the privacy command is published.
    #[must_use]
    pub fn new(
        settings: &config::Mqtt,
        identity: Identity,
        topics: Topics,
        requests: Arc<Requests>,
        has_broker: bool,
    ) -> Self {
        let discovery = if settings.discovery {
            let config = discovery::config(&identity, &topics, &requests);
            config.to_string().into_bytes()
        } else {
            Vec::new()
        };
        Self {
            has_broker,
            discovery,
            identity,
            topics,
            due: Due::default(),
            last_birth: None,
            privacy_limit: PrivacyLimit::default(),
            rate: settings.rate,
            results: Results::new(settings),
            visits: Visits::new(settings.refresh),
            // Standard output has one reader, which can skip what it does not need.
            faces: Faces::new(
                settings.faces || !has_broker,
                settings.face_rate.interval().min(settings.rate.interval()),
            ),
            health_version: 0,
            commands: Commands::new(requests),
            answers: heapless::Deque::new(),
            renderer: Renderer::new(),
        }
    }

    /// The daemon's boot id.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.identity.boot
    }

    /// A new connection: everything that is retained is due again immediately.
    pub fn on_connect(&mut self) {
        self.due = Due {
            availability: true,
            ..Due::default()
        };
        self.last_birth = None;
        self.privacy_limit = PrivacyLimit::default();
        self.visits.force();
        self.repeat_all();
    }

    /// Home Assistant has started: discovery and every state are due again, but not more often than every ten
    /// seconds.
    pub fn home_assistant_has_started(&mut self) {
        self.due.birth = true;
    }

    fn repeat_all(&mut self) {
        self.due.discovery = self.has_broker;
        self.results.force();
        self.health_version = 0;
        self.due.camera = None;
        self.due.privacy = None;
        self.due.privacy_command = None;
    }

    /// A command has arrived at `now`: it is carried out or refused, and an answer becomes due.
    pub fn command(&mut self, payload: &[u8], retained: bool, now: Duration) {
        let Some(outcome) = self.commands.take(payload, retained, now) else {
            return;
        };
        if let Some(rate) = outcome.rate {
            self.rate = rate;
            self.results.set_rate(rate);
        }
        if self.answers.is_full() {
            self.answers.pop_front();
        }
        // There is room now.
        let _ = self.answers.push_back(outcome.answer);
    }

    /// Sends everything that is due. Returns how long nothing more will be due unless the outbox changes.
    ///
    /// # Errors
    /// [`Backpressure`] if something that is due could not be sent.
    pub fn send_due(
        &mut self,
        outbox: &Outbox,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<Duration, Backpressure> {
        self.send_states(&outbox.snapshot(), now, transport)?;
        self.send_answers(now, transport)?;
        self.send_events(outbox, now, transport)?;
        let newest = outbox.snapshot();
        let inputs = Inputs {
            identity: &self.identity,
            topics: &self.topics,
            newest: &newest,
            now,
        };
        self.faces.send_due(inputs, &mut self.renderer, transport)?;
        self.send_health(&newest, now, transport)?;
        Ok(self.next_due(&newest, now).saturating_sub(now.monotonic))
    }

    /// Publishes the last messages of a clean exit: state and scene without a face, the camera as disabled or
    /// why it cannot be used, then `stopped`.
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
        self.send_answers(now, transport)?;
        self.results.force();
        self.send_results(&newest, now, transport)?;
        self.send_camera(&newest, now, transport)?;
        transport.send(Message::retained_word(&self.topics.availability, "stopped"))
    }

    /// Sends everything retained that is due, in the documented order: availability, discovery, state, scene,
    /// visits, camera, the recorded command, privacy. The recorded command precedes privacy, so a command
    /// that was answered survives a restart.
    fn send_states(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        if self.due.availability {
            transport.send(Message::retained_word(&self.topics.availability, "online"))?;
            self.due.availability = false;
        }
        if self.due.birth && after(self.last_birth, BIRTH_INTERVAL) <= now.monotonic {
            self.due.birth = false;
            self.last_birth = Some(now.monotonic);
            self.repeat_all();
        }
        if self.due.discovery {
            transport.send(Message {
                topic: &self.topics.discovery,
                payload: Payload::Json(&self.discovery),
                retain: true,
                acknowledged: true,
            })?;
            self.due.discovery = false;
        }
        self.send_results(newest, now, transport)?;
        if self.due.camera != Some(newest.camera.version) {
            self.send_camera(newest, now, transport)?;
        }
        if self.privacy_due(newest) <= now.monotonic {
            self.send_privacy(newest, now, transport)?;
        }
        Ok(())
    }

    /// When privacy and the recorded command must be published; [`Duration::MAX`] if they have been.
    fn privacy_due(&self, newest: &Snapshot) -> Duration {
        if self.unrecorded(newest).is_none() && self.due.privacy == Some(newest.privacy.version) {
            return Duration::MAX;
        }
        self.privacy_limit.due(newest.privacy.value)
    }

    /// The privacy command that must be recorded at the broker.
    fn unrecorded(&self, newest: &Snapshot) -> Option<bool> {
        let command = &newest.privacy_command;
        let is_due = self.has_broker && self.due.privacy_command != Some(command.version);
        command.value.filter(|_| is_due)
    }

    fn send_privacy(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        if let Some(is_on) = self.unrecorded(newest) {
            let word = privacy_word(is_on);
            transport.send(Message::retained_word(&self.topics.privacy_command, word))?;
            self.due.privacy_command = Some(newest.privacy_command.version);
        }
        let privacy = &newest.privacy;
        if self.due.privacy != Some(privacy.version) {
            let word = privacy_word(privacy.value);
            transport.send(Message::retained_word(&self.topics.privacy, word))?;
            self.due.privacy = Some(privacy.version);
        }
        self.privacy_limit.published(privacy.value, now.monotonic);
        Ok(())
    }

    fn send_results(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let inputs = Inputs {
            identity: &self.identity,
            topics: &self.topics,
            newest,
            now,
        };
        self.results.send_due(inputs, &mut self.renderer, transport)?;
        self.visits.send_due(inputs, &mut self.renderer, transport)
    }

    fn send_camera(
        &mut self,
        newest: &Snapshot,
        now: Now,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let camera = &newest.camera.value;
        let payload = CameraPayload::new(&self.identity, camera.status, &camera.reason, now.wall);
        self.renderer
            .send(transport, &self.topics.camera, Delivery::STATE, &payload)?;
        self.due.camera = Some(newest.camera.version);
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
        let payload = HealthPayload::new(&self.identity, health, self.rate, newest.events_dropped, now.wall);
        self.renderer
            .send(transport, &self.topics.health, Delivery::PERIODIC, &payload)?;
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
            self.renderer
                .send(transport, &self.topics.event, Delivery::EVENT, &event)?;
            outbox.remove_event(queued.seq);
        }
        Ok(())
    }

    fn send_answers(&mut self, now: Now, transport: &mut impl Transport) -> Result<(), Backpressure> {
        while let Some(answer) = self.answers.front() {
            let payload = ResultPayload::new(&self.identity.boot, answer, now.wall);
            self.renderer
                .send(transport, &self.topics.result, Delivery::EVENT, &payload)?;
            self.answers.pop_front();
        }
        Ok(())
    }

    fn next_due(&self, newest: &Snapshot, now: Now) -> Duration {
        let mut next = self.results.next_due(newest).min(self.faces.next_due(newest));
        next = next.min(self.visits.due(newest, now));
        if self.due.birth {
            next = next.min(after(self.last_birth, BIRTH_INTERVAL));
        }
        next.min(self.privacy_due(newest))
    }
}

/// `interval` after `last`; at once without a last time.
fn after(last: Option<Duration>, interval: Duration) -> Duration {
    last.map_or(Duration::ZERO, |last| last.saturating_add(interval))
}

#[cfg(test)]
mod tests;
