//! Messages that a subscriber received, read from its file; also for tests/faults.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::machine::TIMEOUT_FACTOR;

/// Longest wait for a message. Passing tests need about a tenth of it, mostly to load the networks
/// after a restart.
const TIMEOUT: Duration = Duration::from_secs(90 * TIMEOUT_FACTOR as u64);

/// A message as the broker delivered it.
#[derive(Debug, Clone)]
pub struct Message {
    /// Index among all received messages.
    pub index: usize,
    pub topic: String,
    /// Whether it was published with the retain flag.
    pub retained: bool,
    pub text: String,
    /// When the subscriber received it; its clock is in UTC.
    pub received: Option<jiff::Timestamp>,
}

impl Message {
    /// The subscriber's timestamp minus the message's, in seconds.
    pub fn delay(&self) -> Option<f64> {
        let sent: jiff::Timestamp = self.field("time").as_str()?.parse().ok()?;
        Some(self.received?.duration_since(sent).as_secs_f64())
    }

    /// Returns a field of the JSON payload, or null if it is missing.
    pub fn field(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.text).map_or(Value::Null, |value| value[name].clone())
    }
}

/// The file that the subscriber writes.
pub struct Messages {
    file: PathBuf,
    /// The device's topics begin with this and a slash.
    base: &'static str,
}

impl Messages {
    pub fn in_file(file: PathBuf, base: &'static str) -> Self {
        Self { file, base }
    }

    /// Returns all messages so far, oldest first.
    pub fn all(&self) -> Vec<Message> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be incomplete.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().enumerate().map(message).collect()
    }

    /// Returns the number of messages so far, to select later ones.
    pub fn mark(&self) -> usize {
        self.all().len()
    }

    /// Returns the messages after a mark.
    pub fn since(&self, mark: usize) -> Vec<Message> {
        self.all().into_iter().skip(mark).collect()
    }

    /// Waits for the first message after a mark that satisfies the condition.
    pub fn wait(&self, mark: usize, what: &str, condition: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let found = self.since(mark).into_iter().find(&condition);
            if let Some(message) = found {
                return message;
            }
            assert!(Instant::now() < deadline, "the subscriber did not receive {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a message of the device on `topic` after a mark that satisfies the condition.
    pub fn wait_for(
        &self,
        mark: usize,
        topic: &str,
        what: &str,
        condition: impl Fn(&Message) -> bool,
    ) -> Message {
        let topic = format!("{}/{topic}", self.base);
        let description = format!("{topic}: {what}");
        self.wait(mark, &description, |message| {
            message.topic == topic && condition(message)
        })
    }

    pub fn wait_for_word(&self, mark: usize, topic: &str, word: &str) -> Message {
        self.wait_for(mark, topic, word, |message| message.text == word)
    }

    pub fn wait_for_camera(&self, mark: usize, status: &str) -> Message {
        self.wait_for(mark, "camera", status, |message| {
            message.field("status") == status
        })
    }

    pub fn wait_for_category(&self, mark: usize, category: &str) -> Message {
        self.wait_for(mark, "state", category, |message| {
            message.field("category") == category
        })
    }

    /// Returns the device's messages on a topic after a mark.
    pub fn received(&self, mark: usize, topic: &str) -> Vec<Message> {
        let topic = format!("{}/{topic}", self.base);
        let mut messages = self.since(mark);
        messages.retain(|message| message.topic == topic);
        messages
    }
}

fn message((index, line): (usize, &str)) -> Message {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    Message {
        index,
        topic: text("topic"),
        retained: value["retain"] == 1,
        text: text("payload"),
        received: time(&text("tst")),
    }
}

/// A time as mosquitto_sub writes it: `2026-11-26T12:00:00.000000Z+0000`.
fn time(text: &str) -> Option<jiff::Timestamp> {
    let (time, _) = text.split_once('Z')?;
    format!("{time}Z").parse().ok()
}
