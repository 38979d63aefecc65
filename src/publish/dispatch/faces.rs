//! The messages about each tracked face.

use std::time::Duration;

use super::{
    face_rate::FaceRate,
    inputs::Inputs,
    render::{Delivery, Renderer},
};
use crate::publish::{
    outbox::Snapshot,
    payload::FacePayload,
    transport::{Backpressure, Transport},
};

/// Decides when each face is due, and numbers the messages.
#[derive(Debug)]
pub struct Faces {
    is_enabled: bool,
    rate: FaceRate,
    /// The frame whose faces were all sent.
    frame_version: u64,
    seq: u64,
    topic: String,
}

impl Faces {
    /// At most one message per `interval` and face; none unless `is_enabled`.
    pub fn new(is_enabled: bool, interval: Duration) -> Self {
        Self {
            is_enabled,
            rate: FaceRate::new(interval),
            frame_version: 0,
            seq: 0,
            topic: String::with_capacity(128),
        }
    }

    /// When the next message is due unless the outbox changes.
    pub fn next_due(&self, newest: &Snapshot) -> Duration {
        if self.frame_version == newest.frame_version {
            Duration::MAX
        } else {
            self.rate.next_due()
        }
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
        self.rate.forget_others(&newest.faces);
        if !self.is_enabled {
            self.frame_version = newest.frame_version;
        }
        if self.frame_version == newest.frame_version {
            return Ok(());
        }
        let mut is_complete = true;
        for face in &newest.faces {
            if self.rate.due(face.track) > now.monotonic {
                is_complete = false;
                continue;
            }
            let payload = FacePayload::new(inputs.identity, face, newest.size, inputs.stamp(self.seq));
            inputs.topics.face(face.track, &mut self.topic);
            renderer.send(transport, &self.topic, Delivery::SAMPLE, &payload)?;
            self.seq += 1;
            self.rate.record(face.track, now.monotonic);
        }
        if is_complete {
            self.frame_version = newest.frame_version;
        }
        Ok(())
    }
}
