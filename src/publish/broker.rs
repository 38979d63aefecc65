//! The broker as a transport: accepts messages while few enough bytes are in flight.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::{
    connection::{
        event::{Answer, Limits},
        link::Requests,
        login::KEEP_ALIVE_S,
        reasons::TOO_LARGE,
    },
    denials::Denials,
    in_flight::{InFlight, Pending},
    lifetimes::Lifetimes,
    oversize::Oversize,
    transport::{Backpressure, Message, Transport},
};
use crate::health::BrokerLink;

/// While messages are unacknowledged, a broker that is silent for this long is considered gone. The library's
/// own keep-alive pings do not detect this: they are only sent when nothing else is.
const SILENCE: Duration = Duration::from_secs(KEEP_ALIVE_S as u64);

/// Maximum bytes of a PUBLISH packet in addition to topic and payload: type and length (5), length of the
/// topic (2), packet identifier (2), and the properties (27): their length, expiry and content type (MQTT 5,
/// section 3.3).
const OVERHEAD: usize = 36;

/// The client of one connection after another.
pub struct Broker {
    /// `None` while there is no connection.
    requests: Option<Requests>,
    link: Arc<BrokerLink>,
    lifetimes: Lifetimes,
    limits: Limits,
    in_flight: InFlight,
    /// Subscriptions that the broker has not answered.
    subscribing: usize,
    denials: Denials,
    oversize: Oversize,
    /// When the broker last sent something, or when the first unacknowledged packet after that was sent.
    waiting_since: Duration,
    /// The monotonic time, see [`Self::set_time`].
    now: Duration,
}

impl Broker {
    /// Not connected yet.
    pub fn new(lifetimes: Lifetimes, link: Arc<BrokerLink>) -> Self {
        Self {
            requests: None,
            link,
            lifetimes,
            limits: Limits::default(),
            in_flight: InFlight::new(None),
            subscribing: 0,
            denials: Denials::default(),
            oversize: Oversize::default(),
            waiting_since: Duration::ZERO,
            now: Duration::ZERO,
        }
    }

    /// Sets the time at which the next messages are sent.
    pub fn set_time(&mut self, now: Duration) {
        self.now = now;
    }

    /// The broker sent something at `now`.
    pub fn received(&mut self, now: Duration) {
        self.now = now;
        self.waiting_since = now;
    }

    /// A connection begins.
    pub fn connect(&mut self, requests: Requests) {
        self.requests = Some(requests);
        self.subscribing = 0;
    }

    /// The broker has accepted the connection.
    pub fn accepted(&mut self, limits: Limits) {
        if limits.stores_nothing {
            warn!(
                "the broker stores no retained messages: subscribers see nothing until it is published again, and \
                 privacy that was commanded does not outlive a restart"
            );
        }
        self.limits = limits;
        self.in_flight = InFlight::new(limits.unacknowledged);
    }

    /// The connection has ended. If the broker closed it, `closed` is how long after accepting it. A message
    /// that the broker seems to reject is left out from now on. Returns whether the size of a message
    /// explains the end.
    pub fn ended(&mut self, closed: Option<Duration>) -> bool {
        self.requests = None;
        self.subscribing = 0;
        let in_flight = std::mem::replace(&mut self.in_flight, InFlight::new(None));
        let largest = in_flight
            .largest()
            .map(|largest| (&*largest.topic, largest.bytes));
        if let Some(after) = closed
            && self.oversize.closed(after, largest)
            && let Some((topic, bytes)) = largest
        {
            warn!(
                "the broker closes the connection whenever {topic} ({bytes} bytes) is published, as brokers do with a \
                 message that is larger than they permit: it is left out from now on; raise the broker's limit \
                 (mosquitto: max_packet_size, message_size_limit) and restart"
            );
        }
        closed.is_some() && self.oversize.explains()
    }

    /// Lets through as many messages as the library accepts, for the last ones before the exit.
    pub fn widen_window(&mut self) {
        self.in_flight.widen();
    }

    /// The broker has answered the oldest QoS 1 message. Returns its topic and the size of its payload in
    /// bytes; `None` if there is no such message.
    pub fn acknowledged(&mut self, answer: Answer) -> Option<(String, usize)> {
        let Pending { topic, bytes, .. } = self.in_flight.answered(self.now)?;
        self.oversize.survived(&topic);
        match answer {
            Ok(()) => {
                if let Some(topic) = self.denials.taken(&topic) {
                    info!("the broker takes messages on {topic} again");
                }
            }
            Err(reason) => {
                if let Some(topic) = self.denials.denied(&topic) {
                    let remedy = match reason {
                        TOO_LARGE => {
                            format!("its {bytes} bytes need a higher limit (mosquitto: message_size_limit)")
                        }
                        _ => "the broker's access list must permit this device to write there".to_owned(),
                    };
                    warn!(
                        "the broker does not take what this device publishes on {topic}: {reason}; {remedy}"
                    );
                }
            }
        }
        let payload = bytes.saturating_sub(topic.len() + OVERHEAD);
        Some((topic, payload))
    }

    /// The broker has answered the subscription.
    pub fn subscribed(&mut self) {
        self.subscribing = self.subscribing.saturating_sub(1);
    }

    /// Whether the broker has acknowledged every packet that requires it.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.subscribing == 0
    }

    /// How much longer to wait for an answer; `None` if none is due.
    pub fn patience(&self) -> Option<Duration> {
        (!self.is_idle()).then(|| (self.waiting_since + SILENCE).saturating_sub(self.now))
    }

    /// Subscribes to all `topics` in one packet, with QoS 1 where the flag is `true`. The broker answers with
    /// one code for each, in the same order.
    ///
    /// # Errors
    /// [`Backpressure`] if there is no room for it now.
    pub fn subscribe(&mut self, topics: &[(&str, bool)]) -> Result<(), Backpressure> {
        self.requests.as_ref().ok_or(Backpressure)?.subscribe(topics)?;
        self.waits();
        self.subscribing += 1;
        Ok(())
    }

    /// Ends the subscription to `topics`.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn unsubscribe(&mut self, topics: &[&str]) -> Result<(), Backpressure> {
        self.requests.as_ref().ok_or(Backpressure)?.unsubscribe(topics)
    }

    /// Disconnects cleanly, so the last will is not published.
    pub fn disconnect(&mut self) {
        if let Some(requests) = &self.requests {
            requests.disconnect();
        }
    }

    /// One more packet is about to wait for its answer.
    fn waits(&mut self) {
        if self.is_idle() {
            self.waiting_since = self.now;
        }
    }

    /// Whether the broker accepts a message of this size, as far as is known.
    fn permits(&mut self, topic: &str, bytes: usize) -> bool {
        if let Some(max) = self.limits.packet
            && bytes > max as usize
        {
            if let Some(topic) = self.denials.denied(topic) {
                warn!(
                    "{topic} is not published: its {bytes} bytes are more than the {max} that the broker permits \
                     (mosquitto: max_packet_size)"
                );
            }
            return false;
        }
        !self.oversize.contains(topic)
    }
}

impl Transport for Broker {
    /// A message that is too large for the broker counts as sent: nothing must wait for it.
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure> {
        let bytes = message.topic.len() + message.payload.bytes().len() + OVERHEAD;
        if !self.permits(message.topic, bytes) {
            return Ok(());
        }
        let requests = self.requests.as_ref().ok_or(Backpressure)?;
        if !self.in_flight.has_room(bytes) {
            return Err(Backpressure);
        }
        let acknowledged = message.acknowledged || self.in_flight.needs_acknowledgement(bytes);
        let expiry = self.lifetimes.of(message.topic);
        // An MQTT 5 broker that does not store messages ends the connection on a retained one.
        let retain = message.retain && !self.limits.stores_nothing;
        requests.publish(Message { retain, ..message }, acknowledged, expiry)?;
        self.link.count_message();
        if acknowledged {
            self.waits();
            self.in_flight.sent_acknowledged(message.topic, bytes, self.now);
        } else {
            self.in_flight.sent(bytes);
        }
        Ok(())
    }
}
