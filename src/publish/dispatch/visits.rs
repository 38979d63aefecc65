//! The message about visits.

use std::time::Duration;

use jiff::civil::Date;

use super::{
    inputs::Inputs,
    render::{Delivery, Renderer},
    topic_limiter::{Presence, TopicLimiter},
};
use crate::publish::{
    lifetimes::VISITS_REFRESH,
    outbox::Snapshot,
    payload::VisitsPayload,
    shared::Now,
    transport::{Backpressure, Transport},
};

/// The counters are about visits that have ended, so it is irrelevant who is in view.
const NOBODY: Presence = Presence {
    is_sensing: true,
    is_in_view: false,
    is_bridged: false,
};

/// Decides when the visits are due.
#[derive(Debug)]
pub struct Visits {
    limiter: TopicLimiter,
    /// The version of the counters and the date that were published last.
    published: Option<(u64, Date)>,
}

impl Visits {
    /// Due at once, and again when `refresh` has passed, but not more often than every [`VISITS_REFRESH`]. In
    /// the long run, changes are published no more often than that either; the event `left` reports each
    /// visit as it ends.
    pub fn new(refresh: Duration) -> Self {
        Self {
            limiter: TopicLimiter::new(VISITS_REFRESH, refresh.max(VISITS_REFRESH)),
            published: None,
        }
    }

    /// Makes the message due at once.
    pub fn force(&mut self) {
        self.limiter.force();
    }

    /// When the message is due: soon if the counters or the date have changed; otherwise at the refresh,
    /// because it expires at the broker.
    pub fn due(&self, newest: &Snapshot, now: Now) -> Duration {
        let is_changed = self.published != Some((newest.visits.version, now.date));
        self.limiter.due(is_changed, NOBODY)
    }

    /// Sends the message if it is due.
    ///
    /// # Errors
    /// [`Backpressure`] if it is due and could not be sent.
    pub fn send_due(
        &mut self,
        inputs: Inputs<'_>,
        renderer: &mut Renderer,
        transport: &mut impl Transport,
    ) -> Result<(), Backpressure> {
        let Inputs { newest, now, .. } = inputs;
        if self.due(newest, now) > now.monotonic {
            return Ok(());
        }
        let payload = VisitsPayload::new(inputs.identity, &newest.visits.value, now.date, now.wall);
        renderer.send(transport, &inputs.topics.visits, Delivery::STATE, &payload)?;
        let content = Some((newest.visits.version, now.date));
        self.limiter
            .record(now.monotonic, self.published != content, NOBODY);
        self.published = content;
        Ok(())
    }
}
