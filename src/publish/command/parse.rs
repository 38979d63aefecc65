//! Parses a command. Every error says what was found and what is allowed.

use serde::Serialize;
use serde_json::{Map, Value};

use super::limit::PER_SECOND;
use crate::{config::MessageRate, text::quoted};

/// Largest command, in bytes.
pub const MAX_BYTES: usize = 4096;

/// Longest text as an id, in characters.
const MAX_ID: usize = 64;

/// Names of the commands, for messages.
const NAMES: &str = "identify, restart, health or rate";

/// Identifies the command in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A text of up to 64 characters.
    Text(String),
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Blink the LED.
    Identify,
    /// Exit, to be started again.
    Restart,
    /// Publish the health now.
    Health,
    /// Publish at most this many state messages from now on.
    Rate(MessageRate),
}

impl Command {
    /// The name as written in a command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Restart => "restart",
            Self::Health => "health",
            Self::Rate(_) => "rate",
        }
    }
}

/// A command and its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `None` if there is none.
    pub id: Option<Id>,
    /// The command.
    pub command: Command,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind, by which repetitions are recognized.
    pub kind: &'static str,
    /// What was found, and what is allowed.
    pub message: String,
    /// The command's id, if it can be read.
    pub id: Option<Id>,
    /// The command's name, if it is known.
    pub command: Option<&'static str>,
}

impl Refusal {
    /// More commands than allowed.
    pub fn too_fast() -> Self {
        Self::new(
            "too fast",
            format!("more than {PER_SECOND} commands in a second; the rest is ignored"),
        )
    }

    fn new(kind: &'static str, message: String) -> Self {
        Self {
            kind,
            message,
            id: None,
            command: None,
        }
    }

    fn of(self, id: Option<&Id>) -> Self {
        Self {
            id: id.cloned(),
            ..self
        }
    }
}

/// Parses a command: `{"id": …, "command": …, "value": …}`, in which `id` is optional and only `rate` has a
/// value.
///
/// # Errors
/// [`Refusal`] with everything that could be read.
pub fn parse(payload: &[u8]) -> Result<Request, Refusal> {
    if payload.len() > MAX_BYTES {
        let bytes = payload.len();
        let message = format!("found {bytes} bytes; allowed: up to {MAX_BYTES}");
        return Err(Refusal::new("too long", message));
    }
    let allowed = r#"allowed: a JSON object, e.g. {"command": "health"}"#;
    let object: Map<String, Value> = match serde_json::from_slice(payload) {
        Ok(Value::Object(object)) => object,
        Ok(other) => {
            let message = format!("found {}; {allowed}", quoted(&other.to_string()));
            return Err(Refusal::new("no object", message));
        }
        Err(error) => {
            return Err(Refusal::new(
                "no JSON",
                format!("found invalid JSON ({error}); {allowed}"),
            ));
        }
    };
    let id = object.get("id").map(id).transpose()?;
    let command = command(&object).map_err(|refusal| refusal.of(id.as_ref()))?;
    Ok(Request { id, command })
}

fn id(value: &Value) -> Result<Id, Refusal> {
    let text = |text: &String| (text.chars().count() <= MAX_ID).then(|| Id::Text(text.clone()));
    let id = match value {
        Value::Number(number) => number.as_i64().map(Id::Number),
        Value::String(string) => text(string),
        _ => None,
    };
    id.ok_or_else(|| {
        let found = quoted(&value.to_string());
        let message =
            format!("id: found {found}; allowed: a whole number, or a string of up to {MAX_ID} characters");
        Refusal::new("id", message)
    })
}

fn command(object: &Map<String, Value>) -> Result<Command, Refusal> {
    if let Some(field) = object
        .keys()
        .find(|field| !["id", "command", "value"].contains(&field.as_str()))
    {
        let message = format!("found the field {}; allowed: id, command, value", quoted(field));
        return Err(Refusal::new("field", message));
    }
    let value = object.get("value");
    let command = match object.get("command").and_then(Value::as_str) {
        Some("identify") => Command::Identify,
        Some("restart") => Command::Restart,
        Some("health") => Command::Health,
        Some("rate") => return rate(value),
        _ => {
            let found = object.get("command").map_or_else(
                || "nothing".to_owned(),
                |command| quoted(command.as_str().unwrap_or(&command.to_string())),
            );
            let message = format!("command: found {found}; allowed: {NAMES}");
            return Err(Refusal::new("command", message));
        }
    };
    match value {
        None | Some(Value::Null) => Ok(command),
        Some(value) => Err(Refusal {
            command: Some(command.name()),
            ..Refusal::new(
                "value",
                format!(
                    "value: found {}; allowed: none, except for rate",
                    quoted(&value.to_string())
                ),
            )
        }),
    }
}

fn rate(value: Option<&Value>) -> Result<Command, Refusal> {
    let rate = value.and_then(Value::as_f64).map(MessageRate::try_from);
    if let Some(Ok(rate)) = rate {
        return Ok(Command::Rate(rate));
    }
    let found = value.map_or_else(|| "nothing".to_owned(), |value| quoted(&value.to_string()));
    let (min, max) = (MessageRate::MIN, MessageRate::MAX);
    Err(Refusal {
        command: Some("rate"),
        ..Refusal::new(
            "value",
            format!("value: found {found}; allowed: a number from {min} to {max}, per second"),
        )
    })
}
