//! What the subscriber on the board saw, as it wrote it into a file.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::machine::SLOWNESS;

/// Waits for a message end after this time, of which a test that passes needs a tenth: restarts load the networks anew.
const PATIENCE: Duration = Duration::from_secs(90 * SLOWNESS as u64);

/// A message as the broker handed it on.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its place among all that were seen.
    pub place: usize,
    pub topic: String,
    /// Whether it was published to be retained.
    pub retained: bool,
    pub text: String,
}

impl Message {
    /// The payload's field of this name; null if there is none.
    pub fn field(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.text).map_or(Value::Null, |value| value[name].clone())
    }
}

/// The subscriber's file.
pub struct Messages {
    file: PathBuf,
}

impl Messages {
    pub fn in_file(file: PathBuf) -> Self {
        Self { file }
    }

    /// All so far, the oldest first.
    pub fn all(&self) -> Vec<Message> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().enumerate().map(message).collect()
    }

    /// A mark: messages from here on are new.
    pub fn mark(&self) -> usize {
        self.all().len()
    }

    /// Those after a mark.
    pub fn since(&self, mark: usize) -> Vec<Message> {
        self.all().into_iter().skip(mark).collect()
    }

    /// The first message after a mark that satisfies the condition; waits for it.
    pub fn wait(&self, mark: usize, what: &str, condition: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.since(mark).into_iter().find(&condition);
            if let Some(message) = found {
                return message;
            }
            assert!(Instant::now() < deadline, "the subscriber did not see {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn message((place, line): (usize, &str)) -> Message {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    Message {
        place,
        topic: text("topic"),
        retained: value["retain"] == 1,
        text: text("payload"),
    }
}
