//! Removes the retained messages of a device, for `affectd forget`.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::{
    broker_probe::explain,
    connection::{
        event::Event,
        link::{self, Events, Requests},
        login::Login,
        negotiation::Negotiation,
        stream::Connector,
    },
    destination::Destination,
    disconnect::DisconnectReason,
    error::{PublishError, PublishErrorKind},
    options,
    topics::Topics,
    transport::{Message, Payload},
};
use crate::config::{self, DeviceId};

/// Longest time for the broker's answer to each request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A broker does not say when it has sent all retained messages: silence for this long ends the list.
const SILENCE: Duration = Duration::from_secs(1);

/// How long Home Assistant gets to remove the device's entities. While it still has them, it tries to parse
/// the empty messages that clear their states, and logs warnings.
const WITHDRAWAL: Duration = Duration::from_secs(3);

/// Maximum number of retained topics of one device. There are about ten.
const MAX_TOPICS: usize = 1000;

/// A retained message.
struct Retained {
    topic: String,
    payload: Vec<u8>,
}

/// Removes the retained messages of `device`, including Home Assistant's discovery, from the first broker of
/// `settings` that accepts the connection, and returns their topics. A device that is online would publish
/// them again, so this fails unless `even_if_online` is set: the broker may still list a device that is gone
/// as online.
///
/// # Errors
/// [`PublishErrorKind::Config`], [`PublishErrorKind::Refused`] or [`PublishErrorKind::Unreachable`] as for a
/// connection; [`PublishErrorKind::Denied`] if the device is or may be online, its messages may not be read,
/// or the broker keeps some of them.
pub fn forget(
    settings: &config::Mqtt,
    device: &DeviceId,
    even_if_online: bool,
) -> Result<Vec<String>, PublishError> {
    let id = format!("{}-forget", options::client_id(settings, device));
    let cleaner = Cleaner {
        login: options::login(settings, id)?,
        connector: options::connector(settings)?,
        topics: Topics::new(&settings.base, device, &settings.discovery_prefix),
        device,
        even_if_online,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PublishError::start)?;
    let mut first_error = None;
    for destination in Destination::all(settings) {
        let mut negotiation = Negotiation::new(settings.version);
        match runtime.block_on(cleaner.run(&destination, &mut negotiation)) {
            Ok(result) => return result,
            Err(reason) => {
                first_error.get_or_insert_with(|| explain(&reason, &destination));
            }
        }
    }
    // A pending name lookup must not delay the answer.
    runtime.shutdown_background();
    Err(first_error.unwrap_or_else(|| PublishError::config("mqtt.host is empty")))
}

/// The task to do at a broker.
struct Cleaner<'a> {
    login: Login,
    connector: Connector,
    topics: Topics,
    device: &'a DeviceId,
    even_if_online: bool,
}

impl Cleaner<'_> {
    /// Tries one broker with each version that may work. The inner error is about what happened after the
    /// broker accepted the connection.
    async fn run(
        &self,
        destination: &Destination,
        negotiation: &mut Negotiation,
    ) -> Result<Result<Vec<String>, PublishError>, DisconnectReason> {
        let (requests, mut events) = loop {
            match self.log_in(destination, negotiation).await {
                Ok(connection) => break connection,
                Err(reason) if negotiation.failed(&reason) => {}
                Err(reason) => return Err(reason),
            }
        };
        let result = self.clear(destination, &requests, &mut events).await;
        requests.disconnect();
        // The answer is known, so a failed disconnect is not an error.
        let _ = timeout(SILENCE, async {
            while !matches!(events.next().await, Ok(Event::Disconnected) | Err(_)) {}
        })
        .await;
        Ok(result)
    }

    async fn log_in(
        &self,
        destination: &Destination,
        negotiation: &Negotiation,
    ) -> Result<(Requests, Events), DisconnectReason> {
        let opened = self.connector.open(&destination.endpoint).await?;
        let (requests, mut events) = link::log_in(negotiation.version(), &self.login, opened.stream);
        while !matches!(events.next().await?, Event::Accepted(_)) {}
        Ok((requests, events))
    }

    async fn clear(
        &self,
        destination: &Destination,
        requests: &Requests,
        events: &mut Events,
    ) -> Result<Vec<String>, PublishError> {
        let address = &destination.address;
        let denied = |reason| PublishError::new(PublishErrorKind::Denied, reason);
        let mut kept = self.retained(destination, requests, events).await?;
        // The availability comes last: as long as anything is left, another attempt can check it.
        kept.sort_by_key(|message| {
            let is_last = message.topic == self.topics.availability;
            (is_last, message.topic != self.topics.discovery)
        });
        if !self.even_if_online {
            self.check_offline(&kept, address).map_err(denied)?;
        }
        for message in &kept {
            let empty = Message {
                topic: &message.topic,
                payload: Payload::Word(""),
                retain: true,
                acknowledged: true,
            };
            let busy = |_| denied(format!("{address} cannot be written to"));
            requests.publish(empty, true, None).map_err(busy)?;
            while !matches!(
                self.next(destination, events, Instant::now() + TIMEOUT).await?,
                Event::Acknowledged(_)
            ) {}
            if message.topic == self.topics.discovery {
                let end = Instant::now() + WITHDRAWAL;
                while let Ok(event) = timeout_at(end, events.next()).await {
                    event.map_err(|reason| explain(&reason, destination))?;
                }
            }
        }
        // With MQTT 3.1.1, forbidden messages are acknowledged too.
        let left = self.retained(destination, requests, events).await?;
        if let Some(first) = left.first() {
            return Err(denied(format!(
                "{address} keeps {} of {} messages, {} among them: its access rules must let this user write there",
                left.len(),
                kept.len(),
                first.topic
            )));
        }
        Ok(kept.into_iter().map(|message| message.topic).collect())
    }

    /// Checks that the device with these retained messages is not online.
    fn check_offline(&self, kept: &[Retained], address: &str) -> Result<(), String> {
        let availability = &self.topics.availability;
        match kept.iter().find(|message| message.topic == *availability) {
            Some(message) if message.payload == b"online" => Err(format!(
                "{} is online at {address}: stop its daemon first, or use --force if the board is gone",
                self.device
            )),
            None if !kept.is_empty() => Err(format!(
                "{address} shows messages of {}, but not {availability}, so the device may be online: log in as a user \
                 that may read it, or use --force if the board is gone",
                self.device
            )),
            _ => Ok(()),
        }
    }

    /// Subscribes, and collects the retained messages, which the broker sends for every subscription (MQTT
    /// 3.1.1, 3.8.4).
    async fn retained(
        &self,
        destination: &Destination,
        requests: &Requests,
        events: &mut Events,
    ) -> Result<Vec<Retained>, PublishError> {
        let everything = self.topics.everything();
        let filters = [
            (everything.as_str(), true),
            (self.topics.discovery.as_str(), true),
        ];
        requests
            .subscribe(&filters)
            .map_err(|_| PublishError::config("the topics cannot be used"))?;
        let mut kept = Vec::new();
        let mut deadline = Instant::now() + TIMEOUT;
        let mut is_subscribed = false;
        loop {
            let event = match timeout_at(deadline, events.next()).await {
                Ok(event) => event.map_err(|reason| explain(&reason, destination))?,
                Err(_) if is_subscribed => return Ok(kept),
                Err(_) => return Err(explain(&DisconnectReason::Unanswered, destination)),
            };
            match event {
                Event::Subscribed(answers) => {
                    for (answer, (filter, _)) in answers.iter().zip(filters) {
                        answer.map_err(|reason| {
                            let reason = format!(
                                "{} does not let this user subscribe to {filter} ({reason})",
                                destination.address
                            );
                            PublishError::new(PublishErrorKind::Denied, reason)
                        })?;
                    }
                    is_subscribed = true;
                }
                Event::Message(message)
                    if message.retain && !message.payload.is_empty() && kept.len() < MAX_TOPICS =>
                {
                    kept.push(Retained {
                        topic: String::from_utf8_lossy(&message.topic).into_owned(),
                        payload: message.payload,
                    });
                }
                _ => {}
            }
            if is_subscribed {
                deadline = Instant::now() + SILENCE;
            }
        }
    }

    async fn next(
        &self,
        destination: &Destination,
        events: &mut Events,
        deadline: Instant,
    ) -> Result<Event, PublishError> {
        match timeout_at(deadline, events.next()).await {
            Ok(event) => event.map_err(|reason| explain(&reason, destination)),
            Err(_) => Err(explain(&DisconnectReason::Unanswered, destination)),
        }
    }
}
