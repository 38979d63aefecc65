//! The messages about what is seen in the newest frame: the state of the primary face, and the scene.

use std::time::Duration;

use super::{
    Inputs,
    pace::Pace,
    render::{Delivery, Renderer},
};
use crate::publish::{
    payload::{ScenePayload, StateFaces, StatePayload},
    transport::{Backpressure, Transport},
};

/// Decides when state and scene are due, and numbers them.
#[derive(Debug)]
pub struct Results {
    refresh: Duration,
    state: Numbered,
    scene: Numbered,
}

/// A topic's pace and the number of its next message.
#[derive(Debug)]
struct Numbered {
    pace: Pace,
    seq: u64,
}

impl Results {
    /// At most one message per `interval` on each topic, and one at least every `refresh`; both are due at
    /// once.
    pub fn new(interval: Duration, refresh: Duration) -> Self {
        let topic = || Numbered {
            pace: Pace::new(interval, refresh),
            seq: 0,
        };
        Self {
            refresh,
            state: topic(),
            scene: topic(),
        }
    }

    /// Makes both due at once.
    pub fn force(&mut self) {
        self.state.pace.force();
        self.scene.pace.force();
    }

    /// When the next of the two is due.
    pub fn next_due(&self, inputs: Inputs<'_>) -> Duration {
        self.state_due(inputs).min(self.scene_due(inputs))
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
        if self.state_due(inputs) <= inputs.now.monotonic {
            self.send_state(inputs, renderer, transport)?;
        }
        if self.scene_due(inputs) <= inputs.now.monotonic {
            self.send_scene(inputs, renderer, transport)?;
        }
        Ok(())
    }

    fn state_due(&self, inputs: Inputs<'_>) -> Duration {
        let newest = inputs.newest;
        self.state.pace.due(newest.state_version, newest.is_sensing())
    }

    fn scene_due(&self, inputs: Inputs<'_>) -> Duration {
        let newest = inputs.newest;
        self.scene.pace.due(newest.scene_version, newest.is_sensing())
    }

    fn send_state(
        &mut self,
        inputs: Inputs<'_>,
        renderer: &mut Renderer,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let newest = inputs.newest;
        let faces = if newest.captured.is_none() {
            StateFaces::Unknown
        } else if newest.withheld {
            StateFaces::Withheld
        } else {
            StateFaces::Followed(&newest.faces)
        };
        let stamp = inputs.stamp(self.state.seq);
        let state = StatePayload::new(inputs.identity, faces, self.refresh, stamp);
        renderer.send(transport, &inputs.topics.state, Delivery::STATE, &state)?;
        self.state
            .sent(inputs.now.monotonic, newest.state_version, newest.is_sensing());
        Ok(())
    }

    fn send_scene(
        &mut self,
        inputs: Inputs<'_>,
        renderer: &mut Renderer,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let newest = inputs.newest;
        let stamp = inputs.stamp(self.scene.seq);
        let scene = ScenePayload::new(inputs.identity, newest.scene.as_ref(), self.refresh, stamp);
        renderer.send(transport, &inputs.topics.scene, Delivery::STATE, &scene)?;
        self.scene
            .sent(inputs.now.monotonic, newest.scene_version, newest.is_sensing());
        Ok(())
    }
}

impl Numbered {
    fn sent(&mut self, now: Duration, version: u64, is_sensing: bool) {
        self.seq += 1;
        self.pace.record(now, version, is_sensing);
    }
}
