//! One connection to the broker: subscribe, ask for the recorded command, publish, disconnect.
//!
//! After every ConnAck, the session subscribes. Once the broker has acknowledged the subscriptions, it asks
//! for the command of an earlier run (see `privacy`). Once that is answered, it publishes, in this
//! order: availability, discovery, state, camera, the recorded command and privacy; then events, faces and
//! health. So a client that sees this device online can send commands at once, and a retained command takes
//! effect before any result is published. Nothing is queued while the broker is unreachable: sessions are
//! clean, and the outbox holds only what is new.

use std::{pin::pin, time::Duration};

use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    broker::Broker,
    connection::{
        event::{Answer, Event, Received},
        link::{Events, Requests},
        version::Version,
    },
    connection_log::ConnectionLog,
    destination::Destination,
    disconnect::DisconnectReason,
    discovery::birth,
    dispatch::Dispatcher,
    echoes::Echoes,
    phase::Phase,
    privacy::PrivacyCommands,
    shared::Shared,
    transport::{Message, Payload, Transport},
};

/// How long a clean exit waits for the broker.
const DISCONNECT_LIMIT: Duration = Duration::from_millis(500);

/// How long the broker may take to return this device's own message.
const ECHO_LIMIT: Duration = Duration::from_secs(5);

/// Why a session ended.
pub enum End {
    /// The daemon is stopping.
    Stopped,
    /// The connection broke or could not be made.
    Disconnected(DisconnectReason),
}

/// The connection, and the state kept from one connection to the next.
pub struct Session<'a> {
    shared: &'a Shared,
    dispatcher: Dispatcher,
    broker: Broker,
    privacy: PrivacyCommands<'a>,
    log: ConnectionLog,
    phase: Phase,
    /// The version of the current connection.
    version: Version,
    /// Set while the daemon listens to its own results.
    echoes: Option<Echoes>,
    /// Whether it has already done so; once is enough.
    has_listened: bool,
    /// When the broker accepted the current connection.
    accepted: Option<Duration>,
    /// When to leave at the latest, once the daemon is stopping.
    deadline: Option<Duration>,
}

impl<'a> Session<'a> {
    /// Not connected yet.
    pub fn new(
        shared: &'a Shared,
        dispatcher: Dispatcher,
        broker: Broker,
        privacy: PrivacyCommands<'a>,
        log: ConnectionLog,
    ) -> Self {
        Self {
            shared,
            dispatcher,
            broker,
            privacy,
            log,
            phase: Phase::Connecting,
            version: Version::V5,
            echoes: None,
            has_listened: false,
            accepted: None,
            deadline: None,
        }
    }

    /// An attempt to connect begins.
    pub fn begin(&mut self) {
        self.phase = Phase::Connecting;
        self.accepted = None;
    }

    /// How long the current or last connection has lasted since the broker accepted it; `None` if it did not.
    pub fn lasted(&self) -> Option<Duration> {
        let now = self.shared.clock.now();
        self.accepted.map(|accepted| now.saturating_sub(accepted))
    }

    /// Waits until the daemon is stopping and there is no time left to reach the broker.
    pub async fn stopping(&mut self) {
        loop {
            let wait = self.time_to_leave().unwrap_or(Duration::MAX);
            if wait.is_zero() {
                return;
            }
            tokio::select! {
                () = self.shared.outbox.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// How long a daemon that is stopping may still take; `None` if it is not stopping.
    fn time_to_leave(&mut self) -> Option<Duration> {
        let now = self.shared.clock.now();
        self.shared.outbox.is_stopping().then(|| {
            let deadline = *self.deadline.get_or_insert(now + DISCONNECT_LIMIT);
            deadline.saturating_sub(now)
        })
    }

    /// Publishes over an open connection to `destination` until it ends.
    pub async fn run(
        &mut self,
        destination: &Destination,
        version: Version,
        (requests, mut events): (Requests, Events),
    ) -> End {
        self.version = version;
        self.echoes = None;
        self.broker.connect(requests);
        loop {
            let event = {
                // Only cancelled when giving up, because a cancelled write would lose a message.
                let mut next = pin!(events.next());
                loop {
                    let wait = match self.step() {
                        Ok(wait) => wait,
                        Err(end) => return end,
                    };
                    tokio::select! {
                        biased;
                        event = &mut next => break event,
                        () = self.shared.outbox.wake.notified() => {}
                        () = sleep(wait) => {}
                    }
                }
            };
            match event {
                Ok(Event::Disconnected) => return End::Stopped,
                Ok(Event::Sent) => {}
                Ok(event) => self.receive(event, destination),
                Err(_) if matches!(self.phase, Phase::Leaving(_)) => return End::Stopped,
                Err(reason) => return End::Disconnected(reason),
            }
        }
    }

    /// Does what can be done without waiting. Returns how long there is nothing more to do, or why the
    /// session ends.
    fn step(&mut self) -> Result<Duration, End> {
        let now = self.shared.now();
        self.broker.set_time(now.monotonic);
        let outbox = &self.shared.outbox;
        if !matches!(self.phase, Phase::Leaving(_))
            && let Some(left) = self.time_to_leave()
        {
            // Wait for the ConnAck even when already stopping, so an immediate camera failure is still
            // published.
            if self.phase == Phase::Connecting && !left.is_zero() {
                return Ok(left);
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
            self.phase = Phase::Leaving(now.monotonic + left);
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
            Phase::Subscribed => self.request_recorded_command(now.monotonic),
            Phase::Asking(until) if now.monotonic >= until => {
                self.missed_echo();
                Duration::ZERO
            }
            Phase::Asking(until) => until - now.monotonic,
            Phase::Live => {
                let due = self.dispatcher.send_due(outbox, now, &mut self.broker);
                due.unwrap_or(Duration::MAX).min(self.listen(now.monotonic))
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
        let mut filters = vec![
            (&*topics.privacy_set, true),
            (&*topics.privacy_command, true),
            (&*topics.home_assistant, false),
            (&*topics.command, true),
        ];
        let listens = self.version == Version::V311 && !self.has_listened;
        if listens {
            filters.extend(Echoes::topics(topics).map(|topic| (topic, false)));
        }
        if self.broker.subscribe(&filters).is_ok() {
            self.echoes = listens.then(|| Echoes::new(topics, self.shared.clock.now()));
            self.phase = Phase::Subscribing;
        }
    }

    /// Stops listening to this device's own results when it is time. Returns the time until then.
    fn listen(&mut self, now: Duration) -> Duration {
        let Some(echoes) = &self.echoes else {
            return Duration::MAX;
        };
        if let Some(wait) = echoes.remaining(now) {
            return wait;
        }
        let own = Echoes::topics(&self.dispatcher.topics);
        if self.broker.unsubscribe(&own).is_err() {
            return Duration::MAX;
        }
        if let Some((missing, bytes)) = echoes.missing() {
            warn!(
                "the broker does not take what this device publishes on {missing}: it acknowledges it, but does not pass \
                 it on; its access list must permit this device to write there, and its limits (mosquitto: \
                 message_size_limit) must permit messages of {bytes} bytes"
            );
        }
        self.echoes = None;
        self.has_listened = true;
        Duration::MAX
    }

    /// Asks for the command that an earlier run has recorded.
    fn request_recorded_command(&mut self, now: Duration) -> Duration {
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

    fn receive(&mut self, event: Event, destination: &Destination) {
        let now = self.shared.clock.now();
        self.broker.received(now);
        match event {
            Event::Accepted(limits) => {
                self.log.accepted(destination, self.version, now);
                self.shared.link.connected(&destination.address, now);
                self.accepted = Some(now);
                self.broker.accepted(limits);
                self.phase = Phase::Accepted;
                self.dispatcher.on_connect();
            }
            Event::Acknowledged(answer) => self.acknowledged(answer),
            Event::Subscribed(answers) => self.subscribed(&answers),
            Event::Message(message) => self.received(&message),
            Event::Disconnected | Event::Alive | Event::Sent => {}
        }
    }

    fn acknowledged(&mut self, answer: Answer) {
        let Some((topic, bytes)) = self.broker.acknowledged(answer) else {
            return;
        };
        if let Some(echoes) = &mut self.echoes {
            echoes.acknowledged(&topic, bytes, self.shared.clock.now());
        }
        // A question that is rejected cannot return either.
        if answer.is_err()
            && topic == self.dispatcher.topics.privacy_command
            && matches!(self.phase, Phase::Asking(_))
        {
            let reason = format!("the broker does not let this device publish on {topic}");
            self.privacy.cannot_be_read(reason);
            self.phase = Phase::Live;
        }
    }

    /// The broker has answered the subscriptions. Privacy that cannot be commanded counts as on.
    fn subscribed(&mut self, answers: &[Answer]) {
        self.broker.subscribed();
        let topics = &self.dispatcher.topics;
        let refused = |index: usize| !matches!(answers.get(index), Some(Ok(())));
        if refused(2) {
            let topic = &topics.home_assistant;
            warn!(
                "the broker does not let this device subscribe to {topic}: it does not see Home Assistant start"
            );
        }
        if refused(3) {
            let topic = &topics.command;
            warn!("the broker does not let this device subscribe to {topic}: commands do not reach it");
        }
        let privacy = [(0, &topics.privacy_set), (1, &topics.privacy_command)];
        match privacy.into_iter().find(|(index, _)| refused(*index)) {
            None => self.phase = Phase::Subscribed,
            Some((_, topic)) => {
                let reason = format!("the broker does not let this device subscribe to {topic}");
                self.privacy.cannot_be_read(reason);
                self.phase = Phase::Live;
            }
        }
    }

    /// The broker accepted the question but did not return it.
    fn missed_echo(&mut self) {
        let topic = &self.dispatcher.topics.privacy_command;
        let reason = format!("the broker does not return what this device publishes on {topic}");
        self.privacy.cannot_be_read(reason);
        self.phase = Phase::Live;
    }

    fn received(&mut self, message: &Received) {
        if let Some(echoes) = &mut self.echoes
            && !message.retain
            && echoes.returned(&message.topic, message.payload.len())
        {
            return;
        }
        let topics = &self.dispatcher.topics;
        if message.topic == topics.privacy_set.as_bytes() {
            self.privacy.command(message, &topics.privacy_set);
        } else if message.topic == topics.privacy_command.as_bytes() {
            let (topic, boot) = (&topics.privacy_command, self.dispatcher.boot());
            let is_question = self.privacy.recall(message, topic, boot);
            if is_question && matches!(self.phase, Phase::Asking(_)) {
                self.phase = Phase::Live;
            }
        } else if message.topic == topics.command.as_bytes() {
            let now = self.shared.clock.now();
            self.dispatcher.command(&message.payload, message.retain, now);
        } else if message.topic == topics.home_assistant.as_bytes()
            && birth::home_assistant_has_started(&message.payload, message.retain)
        {
            info!("Home Assistant has started, announcing the device again");
            self.dispatcher.home_assistant_has_started();
        }
    }

    /// The connection to `destination` could not be made, or it has ended.
    pub fn disconnected(&mut self, destination: &Destination, reason: &DisconnectReason) {
        let lasted = self.lasted();
        let is_about_a_message = self
            .broker
            .ended(lasted.filter(|_| reason.may_be_about_a_message()));
        let now = self.shared.clock.now();
        let words = match lasted {
            Some(_) => self.log.lost(destination, reason, is_about_a_message, now),
            None => self.log.failed(destination, reason),
        };
        self.shared.link.disconnected(&words);
    }
}
