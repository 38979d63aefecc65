//! Privacy commands from the broker: new ones, and the one recorded by an earlier run.
//!
//! A broker sends the retained message of a topic when the subscription is made, but does not say when there
//! is none (MQTT 3.1.1, 3.8.4), and may do so before or after the SubAck. Messages of one topic arrive in
//! order (4.6). So the daemon publishes this run's boot id, not retained, on the topic of the recorded
//! command. When this question returns, a recorded command must already have arrived.

pub mod command;

use std::slice::EscapeAscii;

use tracing::{info, warn};

use self::command::PrivacyCommand;
use super::{connection::event::Received, payload::privacy_word};
use crate::privacy::{Input, PrivacyGate};

/// Passes commands on to the gate.
pub struct PrivacyCommands<'a> {
    gate: &'a PrivacyGate,
    /// Whether the last command was invalid; further invalid ones in a row are not logged.
    ignored: bool,
    /// Whether the recorded command is neither ON nor OFF.
    is_record_invalid: bool,
}

impl<'a> PrivacyCommands<'a> {
    /// Nothing commanded yet.
    pub fn new(gate: &'a PrivacyGate) -> Self {
        Self {
            gate,
            ignored: false,
            is_record_invalid: false,
        }
    }

    /// The command cannot be read, so nothing may be sensed. A privacy command that is in force stays in
    /// force.
    pub fn cannot_be_read(&self, reason: String) {
        if self.gate.privacy().command == Input::On {
            return;
        }
        let unreadable = Input::Unreadable(reason.clone());
        if self.gate.set_command(unreadable) {
            warn!("{reason}: nothing is sensed; the device must be allowed to read and write there");
        }
    }

    /// Handles a message on the topic of the recorded command: the command of an earlier run, or the question
    /// of the run `boot`. Returns whether it is the question.
    pub fn recall(&mut self, message: &Received, topic: &str, boot: &str) -> bool {
        // A recorded OFF revokes nothing, and this run's own records return as well.
        // A command in force is not set again, so a command given on the device still counts as such.
        if message.retain
            && message.payload == b"ON"
            && self.gate.privacy().command != Input::On
            && self.gate.set_command(Input::On)
        {
            info!("privacy stays on until OFF is commanded: see the retained {topic}");
        }
        let is_known = || matches!(self.gate.privacy().command, Input::On | Input::Off);
        if message.retain && !is_known() && !matches!(&*message.payload, b"ON" | b"OFF" | b"") {
            // Somebody else wrote there, and it may have been ON.
            self.is_record_invalid = true;
            let start = beginning(&message.payload);
            self.cannot_be_read(format!(
                "the retained {topic} is neither ON nor OFF (\"{start}\"): send ON or OFF to …/privacy/set"
            ));
        }
        let is_question = !message.retain && message.payload == boot.as_bytes();
        // An invalid record needs a new command.
        if is_question && !is_known() && !self.is_record_invalid {
            self.gate.set_command(Input::Off);
        }
        is_question
    }

    /// Handles a message on `topic`, the topic of privacy commands.
    pub fn command(&mut self, message: &Received, topic: &str) {
        let is_on = match command::parse(&message.payload, message.retain) {
            PrivacyCommand::On => true,
            PrivacyCommand::Off => false,
            PrivacyCommand::StaleOff | PrivacyCommand::Cleared => return,
            PrivacyCommand::Invalid => {
                if !self.ignored {
                    let payload = &message.payload;
                    let start = beginning(payload);
                    warn!(
                        "ignoring {} bytes on {topic} (\"{start}\"): ON and OFF are allowed",
                        payload.len()
                    );
                }
                self.ignored = true;
                return;
            }
        };
        self.ignored = false;
        self.is_record_invalid = false;
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
}

/// The first bytes of a payload, to be shown in a message.
fn beginning(payload: &[u8]) -> EscapeAscii<'_> {
    payload[..payload.len().min(32)].escape_ascii()
}
