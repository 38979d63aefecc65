//! The message about visits.

use std::time::Duration;

use jiff::civil::Date;

use super::{
    after,
    inputs::Inputs,
    render::{Delivery, Renderer},
};
use crate::publish::{
    lifetimes::VISITS_REFRESH,
    outbox::Snapshot,
    payload::VisitsPayload,
    shared::Now,
    transport::{Backpressure, Transport},
};

/// Changes are published at most this often: the event `left` tells each visit as it ends.
const CHANGE_INTERVAL: Duration = Duration::from_secs(60);

/// Decides when the visits are due.
#[derive(Debug)]
pub struct Visits {
    refresh: Duration,
    /// The version of the counters and the date that were published last.
    published: Option<(u64, Date)>,
    last: Option<Duration>,
    last_change: Option<Duration>,
}

impl Visits {
    /// Due at once, and again when `refresh` has passed, but not more often than every [`VISITS_REFRESH`].
    pub fn new(refresh: Duration) -> Self {
        Self {
            refresh: refresh.max(VISITS_REFRESH),
            published: None,
            last: None,
            last_change: None,
        }
    }

    /// Makes the message due at once.
    pub fn force(&mut self) {
        *self = Self::new(self.refresh);
    }

    /// When the message is due: the counters have changed, or it is another day; otherwise at the refresh,
    /// because it expires at the broker.
    pub fn due(&self, newest: &Snapshot, now: Now) -> Duration {
        let refresh = after(self.last, self.refresh);
        if self.published == Some((newest.visits.version, now.date)) {
            refresh
        } else {
            after(self.last_change, CHANGE_INTERVAL).min(refresh)
        }
    }

    /// Sends it if it is due.
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
        if self.published.is_some() && self.published != content {
            self.last_change = Some(now.monotonic);
        }
        self.published = content;
        self.last = Some(now.monotonic);
        Ok(())
    }
}
