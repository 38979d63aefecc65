//! The published schemas, and a check of received messages against them.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{LazyLock, Mutex},
};

use serde_json::Value;

use super::validate;

/// The last levels of the topics with a schema.
const TOPICS: [&str; 9] = [
    "state", "scene", "visits", "face", "event", "camera", "health", "command", "result",
];

/// The schema of each topic.
static SCHEMAS: LazyLock<HashMap<&str, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let schema = |topic: &str| {
        let text = std::fs::read_to_string(folder.join(format!("{topic}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    TOPICS.into_iter().map(|topic| (topic, schema(topic))).collect()
});

/// Messages that tests have published themselves, valid or not.
static OWN: LazyLock<Mutex<HashSet<TopicAndPayload>>> = LazyLock::new(Mutex::default);

type TopicAndPayload = (String, Vec<u8>);

/// Exempts a message that a test publishes itself, which need not be valid.
pub fn except(topic: &str, payload: &[u8]) {
    OWN.lock().unwrap().insert((topic.to_owned(), payload.to_owned()));
}

/// What is wrong with a message of the daemon; `None` if it is valid, if a test has published it, or if its
/// topic has no schema.
pub fn fault(topic: &str, payload: &[u8]) -> Option<String> {
    let level = topic.split('/').nth(2)?;
    let message = (topic.to_owned(), payload.to_owned());
    if payload.is_empty() || OWN.lock().unwrap().contains(&message) {
        return None;
    }
    let schema = SCHEMAS.get(level)?;
    let text = payload.escape_ascii();
    let fault = match serde_json::from_slice(payload) {
        Ok(value) => validate::fault(&value, schema, schema)?,
        Err(error) => error.to_string(),
    };
    Some(format!("{topic}: {fault}: {text}"))
}
