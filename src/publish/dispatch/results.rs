//! The messages about what is seen in the newest frame: the state of the primary face, and the scene.

use std::time::Duration;

use super::{
    dead_band::steady,
    inputs::Inputs,
    render::{Delivery, Renderer},
    topic_limiter::{Presence, TopicLimiter},
};
use crate::{
    config::{self, MessageRate},
    publish::{
        outbox::Snapshot,
        payload::{ScenePayload, StateFaces, StatePayload},
        transport::{Backpressure, Transport},
    },
    sense::{
        face::{Label, Prediction, TrackedFace},
        scene::Scene,
    },
};

/// Decides when state and scene are due, and numbers them.
#[derive(Debug)]
pub struct Results {
    refresh: Duration,
    dead_band: f32,
    state: Topic<State>,
    scene: Topic<Option<Scene>>,
}

/// The part of a topic's content whose change is worth a message.
trait Content: PartialEq {
    /// Whether it says that the room is occupied although nobody is in view.
    fn is_bridged(&self) -> bool;
}

/// One topic: its rate, the number of its next message, and the content of the last one.
#[derive(Debug)]
struct Topic<T> {
    limiter: TopicLimiter,
    seq: u64,
    published: Option<T>,
}

/// The part of a state message whose change is worth a message.
#[derive(Debug, Clone, PartialEq)]
struct State {
    /// `None` without a current frame or while faces are withheld.
    faces: Option<usize>,
    withheld: bool,
    primary: Option<Primary>,
}

/// The primary face of a state message.
#[derive(Debug, Clone, PartialEq)]
struct Primary {
    track: u32,
    attending: bool,
    smoothed: Option<(Label, Prediction)>,
}

impl Results {
    /// The rates, the refresh and the dead band of `settings`; both topics are due at once.
    pub fn new(settings: &config::Mqtt) -> Self {
        Self {
            refresh: settings.refresh,
            dead_band: settings.dead_band,
            state: Topic::new(settings.rate.interval(), settings.refresh),
            scene: Topic::new(settings.scene_rate.interval(), settings.refresh),
        }
    }

    /// Limits state messages to `rate` from now on.
    pub fn set_rate(&mut self, rate: MessageRate) {
        self.state.limiter.set_interval(rate.interval());
    }

    /// Makes both due at once.
    pub fn force(&mut self) {
        self.state.limiter.force();
        self.scene.limiter.force();
    }

    /// When the next of the two is due.
    pub fn next_due(&self, newest: &Snapshot) -> Duration {
        let state = self.state.due(&self.steady_state(newest), newest);
        state.min(self.scene.due(&self.steady_scene(newest), newest))
    }

    /// Sends what is due.
    ///
    /// # Errors
    /// [`Backpressure`] if something that is due could not be sent.
    pub fn send_due(
        &mut self,
        inputs: Inputs<'_>,
        renderer: &mut Renderer,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let Inputs { newest, now, .. } = inputs;
        let state = self.steady_state(newest);
        if self.state.due(&state, newest) <= now.monotonic {
            self.send_state(state, inputs, renderer, transport)?;
        }
        let scene = self.steady_scene(newest);
        if self.scene.due(&scene, newest) <= now.monotonic {
            let stamp = inputs.stamp(self.scene.seq);
            let payload = ScenePayload::new(inputs.identity, scene.as_ref(), self.refresh, stamp);
            renderer.send(transport, &inputs.topics.scene, Delivery::STATE, &payload)?;
            self.scene.sent(scene, inputs);
        }
        Ok(())
    }

    fn send_state(
        &mut self,
        state: State,
        inputs: Inputs<'_>,
        renderer: &mut Renderer,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let mut faces = inputs.newest.faces.clone();
        if let (Some(face), Some(primary)) = (faces.first_mut(), &state.primary) {
            primary.apply_to(face);
        }
        let faces = if state.withheld {
            StateFaces::Withheld
        } else if state.faces.is_none() {
            StateFaces::Unknown
        } else {
            StateFaces::Followed(&faces)
        };
        let stamp = inputs.stamp(self.state.seq);
        let payload = StatePayload::new(inputs.identity, faces, self.refresh, stamp);
        renderer.send(transport, &inputs.topics.state, Delivery::STATE, &payload)?;
        self.state.sent(state, inputs);
        Ok(())
    }

    /// The newest state, in which values that differ from the published ones by less than the dead band are
    /// held.
    fn steady_state(&self, newest: &Snapshot) -> State {
        let mut state = State::of(newest);
        let published = self.state.published.as_ref();
        if let Some(primary) = &mut state.primary
            && let Some(before) = published.and_then(|published| published.primary.as_ref())
            && before.track == primary.track
            && let (Some((_, new)), Some((_, old))) = (&mut primary.smoothed, before.smoothed)
        {
            *new = steady(*new, old, self.dead_band);
        }
        state
    }

    /// The same for the scene.
    fn steady_scene(&self, newest: &Snapshot) -> Option<Scene> {
        let mut scene = newest.scene;
        if let (Some(scene), Some(Some(published))) = (&mut scene, self.scene.published) {
            scene.prediction = steady(scene.prediction, published.prediction, self.dead_band);
        }
        scene
    }
}

impl Content for State {
    fn is_bridged(&self) -> bool {
        false
    }
}

impl Content for Option<Scene> {
    fn is_bridged(&self) -> bool {
        self.is_some_and(|scene| scene.occupied && scene.counts.is_some_and(|counts| counts.faces == 0))
    }
}

impl State {
    fn of(newest: &Snapshot) -> Self {
        let withheld = newest.captured.is_some() && newest.withheld;
        let is_known = newest.captured.is_some() && !withheld;
        Self {
            faces: is_known.then_some(newest.faces.len()),
            withheld,
            primary: newest.faces.first().map(|face| Primary {
                track: face.track,
                attending: face.attending,
                smoothed: face
                    .smoothed
                    .map(|smoothed| (smoothed.label, smoothed.prediction)),
            }),
        }
    }
}

impl Primary {
    fn apply_to(&self, face: &mut TrackedFace) {
        if let (Some(smoothed), Some((_, prediction))) = (&mut face.smoothed, self.smoothed) {
            smoothed.prediction = prediction;
        }
    }
}

impl<T: Content> Topic<T> {
    fn new(interval: Duration, refresh: Duration) -> Self {
        Self {
            limiter: TopicLimiter::new(interval, refresh),
            seq: 0,
            published: None,
        }
    }

    /// When a message with this `content` is due.
    fn due(&self, content: &T, newest: &Snapshot) -> Duration {
        self.limiter
            .due(self.is_changed_by(content), presence(newest, content))
    }

    fn is_changed_by(&self, content: &T) -> bool {
        self.published.as_ref() != Some(content)
    }

    /// A message with this `content` was sent.
    fn sent(&mut self, content: T, inputs: Inputs<'_>) {
        self.seq += 1;
        let has_changed = self.is_changed_by(&content);
        let presence = presence(inputs.newest, &content);
        self.published = Some(content);
        self.limiter.record(inputs.now.monotonic, has_changed, presence);
    }
}

fn presence(newest: &Snapshot, content: &impl Content) -> Presence {
    Presence {
        is_sensing: newest.is_sensing(),
        is_in_view: !newest.faces.is_empty() || newest.withheld,
        is_bridged: content.is_bridged(),
    }
}
