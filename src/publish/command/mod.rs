//! Commands on `base/command`: each is rate-limited, parsed, carried out or refused, and answered.

mod limit;
pub mod parse;

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

pub use self::parse::Id;
use self::{
    limit::{Limit, LimitOutcome},
    parse::{Command, Refusal, Request, parse},
};
use crate::{config::MessageRate, requests::Requests, text};

/// Longest error in an answer, in characters.
const MAX_ERROR: usize = 200;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// As in the command; `None` if the command has none or cannot be read.
    pub id: Option<Id>,
    /// The command's name; `None` if it cannot be read.
    pub command: Option<&'static str>,
    /// Why it was refused; `None` if it was carried out.
    pub error: Option<String>,
}

/// The result of a message on the command topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answer to publish.
    pub answer: Answer,
    /// The rate of state messages from now on, if that was commanded.
    pub rate: Option<MessageRate>,
}

/// Handles commands, and asks the other threads to carry them out.
#[derive(Debug)]
pub struct Commands {
    requests: Arc<Requests>,
    limit: Limit,
    /// The kind of the last refusal, which is logged once.
    refused: Option<&'static str>,
}

impl Commands {
    /// Nothing was commanded yet.
    pub fn new(requests: Arc<Requests>) -> Self {
        Self {
            requests,
            limit: Limit::default(),
            refused: None,
        }
    }

    /// Handles a message that arrived at `now`. `None` for one that is not answered: a retained one, which
    /// may be long outdated, an empty one, which clears a retained one at the broker, and all but the first
    /// of those that exceed the rate limit.
    pub fn take(&mut self, payload: &[u8], retained: bool, now: Duration) -> Option<Outcome> {
        if payload.is_empty() {
            return None;
        }
        if retained {
            self.log_refusal("retained", "a retained command is ignored: it may be long past");
            return None;
        }
        let result = match self.limit.update(now) {
            LimitOutcome::Allowed => parse(payload),
            LimitOutcome::FirstRefused => Err(Refusal::too_fast()),
            LimitOutcome::Refused => return None,
        };
        let outcome = match result.and_then(|request| self.carry_out(request)) {
            Ok(outcome) => outcome,
            Err(refusal) => {
                self.log_refusal(refusal.kind, &refusal.message);
                Outcome {
                    answer: Answer {
                        id: refusal.id,
                        command: refusal.command,
                        error: Some(text::sanitized(&refusal.message, MAX_ERROR)),
                    },
                    rate: None,
                }
            }
        };
        Some(outcome)
    }

    fn carry_out(&mut self, Request { id, command }: Request) -> Result<Outcome, Refusal> {
        let requests = &self.requests;
        let name = command.name();
        let impossible = |message| Refusal {
            kind: "impossible",
            message,
            id: id.clone(),
            command: Some(name),
        };
        let mut rate = None;
        match command {
            Command::Identify if !requests.has_led => {
                return Err(impossible("there is no LED: gpio.led is empty".to_owned()));
            }
            Command::Restart if !requests.is_supervised => {
                return Err(impossible(
                    "the daemon was not started by a service manager, so nothing would start it again"
                        .to_owned(),
                ));
            }
            Command::Identify => requests.identify(),
            Command::Restart => requests.restart(),
            Command::Health => requests.health(),
            Command::Rate(value) => {
                rate = Some(value);
                // The health message reports the rate in force.
                requests.health();
            }
        }
        self.refused = None;
        info!(command = name, "commanded over MQTT");
        Ok(Outcome {
            answer: Answer {
                id,
                command: Some(name),
                error: None,
            },
            rate,
        })
    }

    /// Logs a refusal unless the previous one was of the same kind.
    fn log_refusal(&mut self, kind: &'static str, message: &str) {
        if self.refused != Some(kind) {
            warn!("a command over MQTT was refused: {message}");
        }
        self.refused = Some(kind);
    }
}

#[cfg(test)]
mod tests;
