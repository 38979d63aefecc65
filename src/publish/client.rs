//! The connection to the broker: greet, keep alive, come back, say goodbye.
//!
//! After every ConnAck the two subscriptions, and once they stand, in this order: availability, discovery, state,
//! camera and privacy; then events, faces and health. So whoever sees this device online is heard by it, and a
//! retained command to be private is obeyed before anything is said. Nothing is queued while the broker is away:
//! sessions are clean, and the outbox holds only what is new.

use std::{pin::pin, time::Duration};

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, Publish, PublishOptions, QoS,
    SubscribeReasonCode,
};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::{
    PublishError, PublishErrorKind, Shared,
    backoff::Backoff,
    dispatch::{Dispatcher, Full, Message, Sink},
    loss::Loss,
    options::{Destination, KEEP_ALIVE_S},
    payload::privacy_word,
};

/// Most messages handed to the library and not yet sent.
const CHANNEL: usize = 64;

/// Most messages that wait for the broker's acknowledgement. What is newer waits in the outbox instead, where
/// the newest wins.
const WINDOW: usize = 16;

/// With messages unacknowledged, a broker that is silent for so long is gone. The library's own pings do not
/// notice it: they are only sent when nothing else is.
const SILENCE: Duration = Duration::from_secs(KEEP_ALIVE_S as u64);

/// A connection that held for so long was a good one: the next loss starts with the shortest wait.
const STABLE: Duration = Duration::from_secs(30);

/// How long a clean exit waits for the broker.
const FAREWELL: Duration = Duration::from_millis(500);

/// A broker that accepted these credentials before and now refuses them may be starting up or being
/// reconfigured: so many refusals in a row, over a minute or more, are for good. Without an earlier success one is.
const REFUSALS: u32 = 6;

/// Publishes until the outbox is stopped or the broker refuses the credentials for good.
pub async fn run(shared: &Shared, dispatcher: Dispatcher, options: MqttOptions, destination: &Destination) {
    let (client, mut events) = match AsyncClient::builder(options).capacity(CHANNEL).try_build() {
        Ok(built) => built,
        Err(error) => {
            let _ = shared.fatal.set(PublishError {
                kind: PublishErrorKind::Config,
                reason: format!("the broker's settings cannot be used: {error}"),
            });
            return;
        }
    };
    let mut session = Session {
        shared,
        dispatcher,
        destination,
        broker: Broker {
            client,
            window: WINDOW,
            unacknowledged: 0,
            waiting_since: Duration::ZERO,
            now: Duration::ZERO,
        },
        phase: Phase::Connecting,
        deadline: None,
        logged: None,
        accepted: false,
        refusals: 0,
        ignoring: false,
    };
    let mut backoff = Backoff::new();
    loop {
        let started = shared.clock.now();
        let End::Lost(loss) = session.run(&mut events).await else {
            return;
        };
        // Drops the socket too, where it was we who gave up.
        events.clean();
        if let Some(error) = session.for_good(&loss) {
            let _ = shared.fatal.set(error);
            return;
        }
        if session.phase != Phase::Connecting && shared.clock.now().saturating_sub(started) > STABLE {
            backoff.reset();
        }
        session.lost(&loss);
        let until = Instant::now() + backoff.lengthen();
        while Instant::now() < until {
            if shared.outbox.stopping() {
                return;
            }
            tokio::select! {
                () = shared.outbox.wake.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

/// Why a session ended.
enum End {
    /// The daemon is stopping.
    Stopped,
    /// The broker is gone or did not come.
    Lost(Loss),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No ConnAck yet.
    Connecting,
    /// The subscriptions are to be sent.
    Accepted,
    /// They are sent and wait for acknowledgement.
    Subscribing,
    /// Commands arrive; whatever is due is sent.
    Live,
    /// `stopped` was sent; leave at this time at the latest.
    Leaving(Duration),
}

struct Session<'a> {
    shared: &'a Shared,
    dispatcher: Dispatcher,
    destination: &'a Destination,
    broker: Broker,
    phase: Phase,
    /// When to leave at the latest, once the daemon is stopping.
    deadline: Option<Duration>,
    /// The last loss that was logged: the same again is not worth a line.
    logged: Option<String>,
    /// Whether the broker ever accepted us.
    accepted: bool,
    refusals: u32,
    /// Whether the last command was unusable: the next one of those is not worth a line.
    ignoring: bool,
}

impl Session<'_> {
    async fn run(&mut self, events: &mut EventLoop) -> End {
        loop {
            let event = {
                // Never cancelled but to give up: a cancelled write would lose a message.
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
                Err(error) => return End::Lost(Loss::Connection(error)),
            }
        }
    }

    /// Does what can be done without waiting and returns for how long there is nothing more, or why to end.
    fn step(&mut self) -> Result<Duration, End> {
        let now = self.shared.now();
        let outbox = &self.shared.outbox;
        self.broker.now = now.monotonic;
        if outbox.stopping() && !matches!(self.phase, Phase::Leaving(_)) {
            let deadline = *self.deadline.get_or_insert(now.monotonic + FAREWELL);
            // Also a run that ended before the broker answered is told of: a camera that cannot work ends it at once.
            if self.phase == Phase::Connecting && now.monotonic < deadline {
                return Ok(deadline - now.monotonic);
            }
            self.broker.window = CHANNEL;
            let said = self.phase != Phase::Connecting
                && self.dispatcher.farewell(outbox, now, &mut self.broker).is_ok();
            if !said {
                return Err(End::Stopped);
            }
            self.phase = Phase::Leaving(deadline);
        }
        let wait = match self.phase {
            Phase::Connecting => return Ok(Duration::MAX),
            Phase::Leaving(deadline) => {
                // Without the acknowledgement no clean disconnect: then the last will shall speak.
                if self.broker.unacknowledged == 0 {
                    let _ = self.broker.client.try_disconnect_now();
                }
                return match deadline.checked_sub(now.monotonic) {
                    Some(wait) if !wait.is_zero() => Ok(wait),
                    _ => Err(End::Stopped),
                };
            }
            Phase::Accepted => {
                if self.subscribe() {
                    self.phase = Phase::Subscribing;
                }
                Duration::MAX
            }
            Phase::Subscribing => {
                if self.broker.unacknowledged == 0 {
                    self.phase = Phase::Live;
                    Duration::ZERO
                } else {
                    Duration::MAX
                }
            }
            Phase::Live => {
                let due = self.dispatcher.send_due(outbox, now, &mut self.broker);
                due.unwrap_or(Duration::MAX)
            }
        };
        match self.broker.patience() {
            Some(patience) if patience.is_zero() => Err(End::Lost(Loss::Silence)),
            Some(patience) => Ok(wait.min(patience)),
            None => Ok(wait),
        }
    }

    fn subscribe(&mut self) -> bool {
        let topics = &self.dispatcher.topics;
        // A refusal is answered in the same way, so that it does not keep the results back.
        self.broker.subscribe(&topics.privacy_set, QoS::AtLeastOnce)
            && self.broker.subscribe(&topics.home_assistant, QoS::AtMostOnce)
    }

    fn receive(&mut self, packet: Packet) {
        self.broker.waiting_since = self.shared.clock.now();
        match packet {
            Packet::ConnAck(_) => {
                info!(broker = self.destination.address, "connected");
                self.logged = None;
                self.accepted = true;
                self.refusals = 0;
                self.broker.unacknowledged = 0;
                self.phase = Phase::Accepted;
                self.dispatcher.greet();
            }
            Packet::PubAck(_) => self.broker.acknowledged(),
            Packet::SubAck(ack) => {
                self.broker.acknowledged();
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    let topics = &self.dispatcher.topics;
                    // Brokers answer in the order in which they were asked.
                    let first = self.broker.unacknowledged > 0;
                    let topic = if first {
                        &topics.privacy_set
                    } else {
                        &topics.home_assistant
                    };
                    warn!(
                        "the broker does not let this device subscribe to {topic}: nothing on it will arrive"
                    );
                }
            }
            Packet::Publish(message) => self.command(&message),
            _ => {}
        }
    }

    /// A retained OFF is ignored: it is older than whatever turned privacy on. A retained ON holds at each
    /// connection until it is cleared at the broker: a stale command may give privacy, never take it.
    fn command(&mut self, message: &Publish) {
        let topics = &self.dispatcher.topics;
        if message.topic == topics.home_assistant.as_bytes() {
            // A retained one is of its last start, and comes at once: the greeting follows in any case.
            if &message.payload[..] == b"online" && !message.retain {
                info!("Home Assistant has started, announcing the device again");
                self.dispatcher.announce();
            }
            return;
        }
        let privacy = match &message.payload[..] {
            b"ON" => true,
            b"OFF" if !message.retain => false,
            other => {
                if !self.ignoring {
                    let start = other[..other.len().min(32)].escape_ascii();
                    warn!(
                        "ignoring {} bytes on {} (\"{start}\"{}): allowed are ON, and OFF if not retained",
                        other.len(),
                        topics.privacy_set,
                        if message.retain { ", retained" } else { "" }
                    );
                }
                self.ignoring = true;
                return;
            }
        };
        self.ignoring = false;
        let outbox = &self.shared.outbox;
        if outbox.command_privacy(privacy) {
            info!(
                command = privacy_word(privacy),
                // A switch on the device may hold it on.
                privacy = privacy_word(outbox.is_private()),
                retained = message.retain,
                "privacy commanded on {}",
                topics.privacy_set
            );
        }
    }

    /// The error that ends the daemon, if this loss is for good.
    fn for_good(&mut self, loss: &Loss) -> Option<PublishError> {
        let refusal = loss.refused_credentials()?;
        self.refusals += 1;
        (!self.accepted || self.refusals >= REFUSALS).then(|| self.destination.refuses(refusal))
    }

    /// Logs a loss, once for each new reason, and prepares the next attempt.
    fn lost(&mut self, loss: &Loss) {
        let mut reason = loss.describe(self.destination);
        if self.phase == Phase::Connecting {
            reason += loss.question();
        }
        let address = &self.destination.address;
        if self.phase != Phase::Connecting {
            warn!("connection to {address} lost, trying again: {reason}");
        } else if self.logged.as_ref() == Some(&reason) {
            debug!("{address} still cannot be reached: {reason}");
        } else {
            warn!("{address} cannot be reached, trying again: {reason}");
        }
        self.logged = Some(reason);
        self.phase = Phase::Connecting;
        self.broker.unacknowledged = 0;
    }
}

/// The client as a sink: takes what the window allows.
struct Broker {
    client: AsyncClient,
    window: usize,
    unacknowledged: usize,
    /// Since when an answer has been due: the last sign of life, or the first unacknowledged message after it.
    waiting_since: Duration,
    now: Duration,
}

impl Broker {
    /// How much longer to wait for an answer; `None` if none is due.
    fn patience(&self) -> Option<Duration> {
        (self.unacknowledged > 0).then(|| (self.waiting_since + SILENCE).saturating_sub(self.now))
    }

    /// Whether there was room for it.
    fn subscribe(&mut self, topic: &str, qos: QoS) -> bool {
        let sent = self.client.try_subscribe(topic, qos).is_ok();
        if sent {
            self.awaits();
        }
        sent
    }

    /// One more packet waits for its acknowledgement.
    fn awaits(&mut self) {
        if self.unacknowledged == 0 {
            self.waiting_since = self.now;
        }
        self.unacknowledged += 1;
    }

    fn acknowledged(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }
}

impl Sink for Broker {
    fn send(&mut self, message: Message<'_>) -> Result<(), Full> {
        if self.unacknowledged >= self.window {
            return Err(Full);
        }
        let qos = if message.acknowledged {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        let options = PublishOptions::new(qos).retain(message.retain);
        self.client
            .try_publish(message.topic, message.payload.bytes(), options)
            .map_err(|_| Full)?;
        if message.acknowledged {
            self.awaits();
        }
        Ok(())
    }
}
