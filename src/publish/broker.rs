//! The broker as a transport: takes messages as long as few enough are unacknowledged.

use std::{sync::Arc, time::Duration};

use rumqttc::{AsyncClient, PublishOptions, QoS, SubscribeFilter};

use super::{
    options::KEEP_ALIVE_S,
    transport::{Backpressure, Message, Transport},
};
use crate::health::BrokerLink;

/// Most messages handed to the library and not yet sent.
pub const CHANNEL: usize = 64;

/// Most messages that wait for the broker's acknowledgement. Newer ones wait in the outbox instead, where the
/// newest wins.
const WINDOW: usize = 16;

/// While messages are unacknowledged, a broker that is silent for this long is gone. The library's own pings
/// do not notice it: they are only sent when nothing else is.
const SILENCE: Duration = Duration::from_secs(KEEP_ALIVE_S as u64);

/// The client of one connection after another.
pub struct Broker {
    client: AsyncClient,
    link: Arc<BrokerLink>,
    window: usize,
    unacknowledged: usize,
    /// When the broker last sent something, or when the first unacknowledged packet after that was sent.
    waiting_since: Duration,
    /// The monotonic time, see [`Self::set_time`].
    now: Duration,
}

impl Broker {
    /// Not connected yet.
    pub fn new(client: AsyncClient, link: Arc<BrokerLink>) -> Self {
        Self {
            client,
            link,
            window: WINDOW,
            unacknowledged: 0,
            waiting_since: Duration::ZERO,
            now: Duration::ZERO,
        }
    }

    /// Sets the time of what is sent next.
    pub fn set_time(&mut self, now: Duration) {
        self.now = now;
    }

    /// The broker sent something at `now`.
    pub fn received(&mut self, now: Duration) {
        self.waiting_since = now;
    }

    /// A connection begins or has ended: nothing is unacknowledged.
    pub fn reset(&mut self) {
        self.unacknowledged = 0;
    }

    /// Lets as many messages through as the library takes, for the last ones before the end.
    pub fn widen_window(&mut self) {
        self.window = CHANNEL;
    }

    /// The broker has acknowledged a packet.
    pub fn acknowledged(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// Whether the broker has acknowledged every packet that asks for it.
    pub fn is_idle(&self) -> bool {
        self.unacknowledged == 0
    }

    /// How much longer to wait for an answer; `None` if none is due.
    pub fn patience(&self) -> Option<Duration> {
        (self.unacknowledged > 0).then(|| (self.waiting_since + SILENCE).saturating_sub(self.now))
    }

    /// Subscribes to all `topics` in one packet. The broker answers it with one code for each, in the same
    /// order.
    ///
    /// # Errors
    /// [`Backpressure`] if there is no room for it now.
    pub fn subscribe(&mut self, topics: [(&str, QoS); 3]) -> Result<(), Backpressure> {
        let filters = topics.map(|(topic, qos)| SubscribeFilter::new(topic.to_owned(), qos));
        self.client
            .try_subscribe_many(filters)
            .map_err(|_| Backpressure)?;
        self.sent();
        Ok(())
    }

    /// Says goodbye, so that the last will is not published.
    pub fn disconnect(&mut self) {
        // If there is no room, the last will is published.
        let _ = self.client.try_disconnect_now();
    }

    /// One more packet waits for its acknowledgement.
    fn sent(&mut self) {
        if self.unacknowledged == 0 {
            self.waiting_since = self.now;
        }
        self.unacknowledged += 1;
    }
}

impl Transport for Broker {
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure> {
        if self.unacknowledged >= self.window {
            return Err(Backpressure);
        }
        let qos = if message.acknowledged {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        let options = PublishOptions::new(qos).retain(message.retain);
        self.client
            .try_publish(message.topic, message.payload.bytes(), options)
            .map_err(|_| Backpressure)?;
        self.link.count_message();
        if message.acknowledged {
            self.sent();
        }
        Ok(())
    }
}
