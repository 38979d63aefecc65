//! One connection to the broker: subscribe, ask for the past, publish, say goodbye.
//!
//! After every ConnAck the subscriptions, and once the broker has acknowledged them, a question for what was
//! commanded before (see [`Session::ask_for_past`]). Once that is answered, in this order: availability,
//! discovery, state, camera, the recorded command and privacy; then events, faces and health. So a client
//! that sees this device online can send commands at once, and a retained command takes effect before any
//! result is published. Nothing is queued while the broker is away: sessions are clean, and the outbox holds
//! only what is new.

use std::{pin::pin, time::Duration};

use rumqttc::{Event, EventLoop, Outgoing, Packet, Publish, QoS, SubAck, SubscribeReasonCode};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{
    broker::Broker,
    commands::{self, PrivacyCommand},
    destination::Destination,
    disconnect::DisconnectReason,
    dispatch::Dispatcher,
    options::client_id,
    payload::privacy_word,
    refusals::Refusals,
    shared::Shared,
    takeovers::Takeovers,
    transport::{Message, Payload, Transport},
};
use crate::privacy::{Input, PrivacyGate};

/// How long a clean exit waits for the broker.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long the broker may take to return this device's own message.
const ECHO_LIMIT: Duration = Duration::from_secs(5);

/// Why a session ended.
pub enum End {
    /// The daemon is stopping.
    Stopped,
    /// The connection broke or could not be made.
    Disconnected(DisconnectReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No ConnAck yet.
    Connecting,
    /// The subscriptions are to be sent.
    Accepted,
    /// They wait for acknowledgement.
    Subscribing,
    /// The question for the past is to be sent.
    Subscribed,
    /// It waits for its echo, until this time at the latest.
    Asking(Duration),
    /// Commands arrive; whatever is due is sent.
    Live,
    /// `stopped` was sent; leave at this time at the latest.
    Leaving(Duration),
}

/// The connection, and what is remembered from one to the next.
pub struct Session<'a> {
    shared: &'a Shared,
    gate: &'a PrivacyGate,
    dispatcher: Dispatcher,
    destination: &'a Destination,
    broker: Broker,
    phase: Phase,
    /// When to leave at the latest, once the daemon is stopping.
    deadline: Option<Duration>,
    /// The last disconnect reason that was logged: the same again is not worth a line.
    logged: Option<String>,
    refusals: Refusals,
    takeovers: Takeovers,
    /// Whether the last command was unusable: the next one of those is not worth a line.
    ignored_command: bool,
}

impl<'a> Session<'a> {
    /// Not connected yet.
    pub fn new(
        shared: &'a Shared,
        gate: &'a PrivacyGate,
        dispatcher: Dispatcher,
        destination: &'a Destination,
        broker: Broker,
    ) -> Self {
        Self {
            shared,
            gate,
            dispatcher,
            destination,
            broker,
            phase: Phase::Connecting,
            deadline: None,
            logged: None,
            refusals: Refusals::default(),
            takeovers: Takeovers::default(),
            ignored_command: false,
        }
    }

    /// Whether the broker has accepted the present connection.
    pub fn was_accepted(&self) -> bool {
        self.phase != Phase::Connecting
    }

    /// Counts a refusal of the credentials, and returns whether it is permanent.
    pub fn refusal_is_permanent(&mut self) -> bool {
        self.refusals.refused()
    }

    /// Publishes until the connection ends.
    pub async fn run(&mut self, events: &mut EventLoop) -> End {
        loop {
            let event = {
                // Only cancelled to give up: a cancelled write would lose a message.
                let mut poll = pin!(events.poll());
                loop {
                    let wait = match self.step() {
                        Ok(wait) => wait,
                        Err(end) => return end,
                    };
                    tokio::select! {
                        biased;
                        event = &mut poll => break event,
                        () = self.shared.outbox.wake.notified() => {}
                        () = sleep(wait) => {}
                    }
                }
            };
            match event {
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return End::Stopped,
                Ok(Event::Incoming(packet)) => self.receive(packet),
                Ok(Event::Outgoing(_)) => {}
                Err(_) if matches!(self.phase, Phase::Leaving(_)) => return End::Stopped,
                Err(error) => return End::Disconnected(DisconnectReason::Connection(error)),
            }
        }
    }

    /// Does what can be done without waiting. Returns for how long there is nothing more to do, or why to
    /// end.
    fn step(&mut self) -> Result<Duration, End> {
        let now = self.shared.now();
        let outbox = &self.shared.outbox;
        self.broker.set_time(now.monotonic);
        if outbox.is_stopping() && !matches!(self.phase, Phase::Leaving(_)) {
            let deadline = *self.deadline.get_or_insert(now.monotonic + GOODBYE);
            // Wait for the ConnAck even when already stopping, so that an immediate camera failure is still
            // published.
            if self.phase == Phase::Connecting && now.monotonic < deadline {
                return Ok(deadline - now.monotonic);
            }
            self.broker.widen_window();
            let is_published = self.phase != Phase::Connecting
                && self
                    .dispatcher
                    .publish_offline(outbox, now, &mut self.broker)
                    .is_ok();
            if !is_published {
                return Err(End::Stopped);
            }
            self.phase = Phase::Leaving(deadline);
        }
        let wait = match self.phase {
            Phase::Connecting => return Ok(Duration::MAX),
            Phase::Leaving(deadline) => {
                // Without the acknowledgement there is no clean disconnect: the last will is published
                // instead.
                if self.broker.is_idle() {
                    self.broker.disconnect();
                }
                return match deadline.checked_sub(now.monotonic) {
                    Some(wait) if !wait.is_zero() => Ok(wait),
                    _ => Err(End::Stopped),
                };
            }
            Phase::Accepted => {
                self.subscribe();
                Duration::MAX
            }
            Phase::Subscribing => Duration::MAX,
            Phase::Subscribed => self.ask_for_past(now.monotonic),
            Phase::Asking(until) if now.monotonic >= until => {
                self.missed_echo();
                Duration::ZERO
            }
            Phase::Asking(until) => until - now.monotonic,
            Phase::Live => {
                let due = self.dispatcher.send_due(outbox, now, &mut self.broker);
                due.unwrap_or(Duration::MAX)
            }
        };
        match self.broker.patience() {
            Some(patience) if patience.is_zero() => Err(End::Disconnected(DisconnectReason::Silence)),
            Some(patience) => Ok(wait.min(patience)),
            None => Ok(wait),
        }
    }

    fn subscribe(&mut self) {
        let topics = &self.dispatcher.topics;
        let filters = [
            (&*topics.privacy_set, QoS::AtLeastOnce),
            (&*topics.privacy_command, QoS::AtLeastOnce),
            (&*topics.home_assistant, QoS::AtMostOnce),
        ];
        if self.broker.subscribe(filters).is_ok() {
            self.phase = Phase::Subscribing;
        }
    }

    /// Publishes this run's boot id, not retained, on the topic of the recorded command.
    ///
    /// A broker sends the retained message of a topic when the subscription is made, but does not say when
    /// there is none (MQTT 3.1.1, 3.8.4), and may do so before or after the SubAck. Messages of one topic
    /// arrive in order (4.6), so when the echo arrives, a recorded command would have arrived before it.
    fn ask_for_past(&mut self, now: Duration) -> Duration {
        let question = Message {
            topic: &self.dispatcher.topics.privacy_command,
            payload: Payload::Word(self.dispatcher.boot()),
            retain: false,
            acknowledged: true,
        };
        if self.broker.send(question).is_err() {
            return Duration::MAX;
        }
        self.phase = Phase::Asking(now + ECHO_LIMIT);
        ECHO_LIMIT
    }

    fn receive(&mut self, packet: Packet) {
        self.broker.received(self.shared.clock.now());
        match packet {
            Packet::ConnAck(_) => {
                info!(broker = self.destination.address, "connected");
                self.shared.link.connected(self.shared.clock.now());
                self.logged = None;
                self.refusals.accepted();
                self.takeovers.accepted(self.shared.now().monotonic);
                self.broker.reset();
                self.phase = Phase::Accepted;
                self.dispatcher.on_connect();
            }
            Packet::PubAck(_) => self.broker.acknowledged(),
            Packet::SubAck(ack) => self.subscribed(&ack),
            Packet::Publish(message) => self.received(&message),
            _ => {}
        }
    }

    /// The broker has answered the subscriptions. Privacy that cannot be commanded counts as on.
    fn subscribed(&mut self, ack: &SubAck) {
        self.broker.acknowledged();
        let topics = &self.dispatcher.topics;
        let refused = |index: usize| {
            let code = ack.return_codes.get(index);
            !matches!(code, Some(SubscribeReasonCode::Success(_)))
        };
        if refused(2) {
            let topic = &topics.home_assistant;
            warn!(
                "the broker does not let this device subscribe to {topic}: it does not see Home Assistant start"
            );
        }
        let privacy = [(0, &topics.privacy_set), (1, &topics.privacy_command)];
        match privacy.into_iter().find(|(index, _)| refused(*index)) {
            None => self.phase = Phase::Subscribed,
            Some((_, topic)) => {
                let reason = format!("the broker does not let this device subscribe to {topic}");
                self.cannot_be_commanded(reason);
                self.phase = Phase::Live;
            }
        }
    }

    /// The broker took the question and did not return it.
    fn missed_echo(&mut self) {
        let topic = &self.dispatcher.topics.privacy_command;
        let reason = format!("the broker does not return what this device publishes on {topic}");
        self.cannot_be_commanded(reason);
        self.phase = Phase::Live;
    }

    /// What was commanded is not known, so nothing may be sensed. A command to be private stays as it is.
    fn cannot_be_commanded(&self, reason: String) {
        if self.gate.privacy().command == Input::On {
            return;
        }
        let unreadable = Input::Unreadable(reason.clone());
        if self.gate.set_command(unreadable) {
            warn!("{reason}: nothing is sensed; the device must be allowed to read and write there");
        }
    }

    fn received(&mut self, message: &Publish) {
        let topics = &self.dispatcher.topics;
        if message.topic == topics.privacy_set.as_bytes() {
            self.command(message);
        } else if message.topic == topics.privacy_command.as_bytes() {
            self.recall(message);
        } else if commands::home_assistant_has_started(&message.payload, message.retain) {
            info!("Home Assistant has started, announcing the device again");
            self.dispatcher.republish_discovery();
        }
    }

    /// Takes the recorded command of an earlier run, or the echo that ends the question for it.
    fn recall(&mut self, message: &Publish) {
        // A recorded OFF takes nothing back, and our own records return as well.
        if message.retain && message.payload == "ON" {
            // A command that is in force is not given again: what was commanded on the device stays that.
            if self.gate.privacy().command != Input::On && self.gate.set_command(Input::On) {
                let topic = &self.dispatcher.topics.privacy_command;
                info!("privacy stays on until OFF is commanded: see the retained {topic}");
            }
        } else if !message.retain && message.payload == self.dispatcher.boot() {
            let known = [Input::On, Input::Off];
            if !known.contains(&self.gate.privacy().command) {
                self.gate.set_command(Input::Off);
            }
            if matches!(self.phase, Phase::Asking(_)) {
                self.phase = Phase::Live;
            }
        }
    }

    fn command(&mut self, message: &Publish) {
        let topic = &self.dispatcher.topics.privacy_set;
        let is_on = match commands::privacy_command(&message.payload, message.retain) {
            PrivacyCommand::On => true,
            PrivacyCommand::Off => false,
            PrivacyCommand::StaleOff => return,
            PrivacyCommand::Invalid => {
                if !self.ignored_command {
                    let payload = &message.payload;
                    let start = payload[..payload.len().min(32)].escape_ascii();
                    warn!(
                        "ignoring {} bytes on {topic} (\"{start}\"): ON and OFF are allowed",
                        payload.len()
                    );
                }
                self.ignored_command = true;
                return;
            }
        };
        self.ignored_command = false;
        if self.gate.set_command(if is_on { Input::On } else { Input::Off }) {
            info!(
                command = privacy_word(is_on),
                // The switch on the device may keep it on.
                privacy = privacy_word(self.gate.permit().is_none()),
                retained = message.retain,
                "privacy commanded on {topic}"
            );
        }
    }

    /// Logs a disconnect, once for each new reason, and prepares the next attempt.
    pub fn disconnected(&mut self, disconnect: &DisconnectReason) {
        let mut reason = disconnect.describe(self.destination);
        let address = &self.destination.address;
        if self.phase == Phase::Connecting {
            reason += disconnect.question();
            if self.logged.as_ref() == Some(&reason) {
                debug!("{address} still cannot be reached: {reason}");
            } else {
                warn!("{address} cannot be reached, trying again: {reason}");
            }
        } else {
            if self.takeovers.ended(self.shared.now().monotonic, disconnect) {
                let id = client_id(self.dispatcher.device());
                reason += &format!(
                    " soon after each connect, as brokers do when another client has the same id, {id}: give every board \
                     its own name with the setting `device`"
                );
            }
            warn!("connection to {address} lost, trying again: {reason}");
        }
        self.shared.link.disconnected(&reason);
        self.logged = Some(reason);
        self.phase = Phase::Connecting;
        self.broker.reset();
    }
}
