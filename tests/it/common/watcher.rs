//! A client that watches a broker.

use std::{
    fmt, fs,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rumqttc::{Client, Event, MqttOptions, Packet, PublishOptions, QoS, Transport};

use super::{
    broker::{Broker, PASSWORD, PATIENCE},
    schemas,
};

/// A message as a subscriber received it.
#[derive(Clone)]
pub struct Seen {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8(self.payload.clone()).unwrap()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retained = if self.retain { " (retained)" } else { "" };
        let start = &self.payload[..self.payload.len().min(200)];
        write!(f, "{}{retained}: {}", self.topic, start.escape_ascii())
    }
}

type Inbox = Arc<(Mutex<Vec<Seen>>, Condvar)>;

/// A subscriber to all topics.
pub struct Watcher {
    client: Client,
    inbox: Inbox,
}

impl Watcher {
    /// Subscribes as `user` to all messages from now on.
    pub fn new(broker: &Broker, user: &str) -> Self {
        let id = format!("watcher-{:?}-{:?}", thread::current().id(), Instant::now());
        let host = if broker.tls { "localhost" } else { broker.address };
        let mut options = MqttOptions::new(id, (host, broker.port));
        options
            .set_credentials(user, PASSWORD)
            .set_max_packet_size(8 << 20, 8 << 20);
        if broker.tls {
            let authority = fs::read(broker.path("ca.pem")).unwrap();
            options.set_transport(Transport::tls(authority, None, None));
        }
        let (client, mut connection) = Client::builder(options).capacity(100).build();
        let inbox = Inbox::default();
        let (ready, subscribed) = std::sync::mpsc::channel();
        let for_thread = Arc::clone(&inbox);
        let subscriber = client.clone();
        thread::spawn(move || {
            loop {
                let event = match connection.recv() {
                    Ok(Ok(event)) => event,
                    // The receiver is gone after the subscription; an error then means that a test has
                    // stopped the broker.
                    Ok(Err(error)) if ready.send(Err(error.to_string())).is_ok() => {
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    _ => return,
                };
                match event {
                    Event::Incoming(Packet::ConnAck(_)) => {
                        subscriber.subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Event::Incoming(Packet::SubAck(_)) => ready.send(Ok(())).unwrap_or_default(),
                    Event::Incoming(Packet::Publish(message)) => {
                        let (messages, arrived) = &*for_thread;
                        messages.lock().unwrap().push(Seen {
                            topic: String::from_utf8(message.topic.to_vec()).unwrap(),
                            payload: message.payload.to_vec(),
                            retain: message.retain,
                        });
                        arrived.notify_all();
                    }
                    _ => {}
                }
            }
        });
        let start = Instant::now();
        while let Err(error) = subscribed.recv_timeout(PATIENCE).expect("the broker answers") {
            assert!(
                start.elapsed() < PATIENCE,
                "the watcher is not subscribed: {error}"
            );
        }
        Self { client, inbox }
    }

    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let payload = payload.into();
        schemas::except(topic, &payload);
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic, payload, options).unwrap();
    }

    pub fn messages(&self) -> Vec<Seen> {
        self.inbox.0.lock().unwrap().clone()
    }

    /// Waits until the messages so far satisfy `condition`.
    pub fn wait(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) {
        let (messages, arrived) = &*self.inbox;
        let guard = messages.lock().unwrap();
        let (guard, result) = arrived
            .wait_timeout_while(guard, PATIENCE, |messages| !condition(messages))
            .unwrap();
        if result.timed_out() {
            let seen = guard.clone();
            drop(guard);
            panic!("waited in vain: {what}; seen: {seen:#?}");
        }
    }

    /// Waits for a message on `topic` that contains `text`.
    pub fn wait_for(&self, topic: &str, text: &str) {
        self.wait(&format!("{text} on {topic}"), |messages| {
            messages
                .iter()
                .any(|message| message.topic == topic && message.text().contains(text))
        });
    }

    /// Discards the messages so far.
    pub fn forget(&self) {
        self.inbox.0.lock().unwrap().clear();
    }
}

impl Drop for Watcher {
    /// Checks all received messages, and disconnects.
    fn drop(&mut self) {
        let messages = self.messages();
        let fault = messages
            .iter()
            .find_map(|message| schemas::fault(&message.topic, &message.payload));
        if let Some(fault) = fault
            && !thread::panicking()
        {
            panic!("not as its schema says: {fault}");
        }
        let _ = self.client.try_disconnect();
    }
}
