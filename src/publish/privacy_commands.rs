//! Commands about privacy from the broker: those of now, and the one that was recorded by an earlier run.
//!
//! A broker sends the retained message of a topic when the subscription is made, but does not say when there
//! is none (MQTT 3.1.1, 3.8.4), and may do so before or after the SubAck. Messages of one topic arrive in
//! order (4.6). So the daemon publishes this run's boot id, not retained, on the topic of the recorded
//! command, and when this question returns, a recorded command would have arrived before it.

use tracing::{info, warn};

use super::{
    commands::{self, PrivacyCommand},
    connection::event::Received,
    payload::privacy_word,
};
use crate::privacy::{Input, PrivacyGate};

/// Passes commands on to the gate.
pub struct PrivacyCommands<'a> {
    gate: &'a PrivacyGate,
    /// Whether the last command was unusable: the next one of those is not worth a line.
    ignored: bool,
}

impl<'a> PrivacyCommands<'a> {
    /// Nothing commanded yet.
    pub fn new(gate: &'a PrivacyGate) -> Self {
        Self { gate, ignored: false }
    }

    /// What was commanded is not known, so nothing may be sensed. A command to be private stays as it is.
    pub fn cannot_be_read(&self, reason: String) {
        if self.gate.privacy().command == Input::On {
            return;
        }
        let unreadable = Input::Unreadable(reason.clone());
        if self.gate.set_command(unreadable) {
            warn!("{reason}: nothing is sensed; the device must be allowed to read and write there");
        }
    }

    /// Takes a message on the topic of the recorded command: the command of an earlier run, or the question
    /// of the run `boot`. Returns whether it is the question.
    pub fn recall(&self, message: &Received, topic: &str, boot: &str) -> bool {
        // A recorded OFF takes nothing back, and our own records return as well.
        // A command that is in force is not given again: what was commanded on the device stays that.
        if message.retain
            && message.payload == b"ON"
            && self.gate.privacy().command != Input::On
            && self.gate.set_command(Input::On)
        {
            info!("privacy stays on until OFF is commanded: see the retained {topic}");
        }
        let is_question = !message.retain && message.payload == boot.as_bytes();
        if is_question {
            let known = [Input::On, Input::Off];
            if !known.contains(&self.gate.privacy().command) {
                self.gate.set_command(Input::Off);
            }
        }
        is_question
    }

    /// Takes a message on `topic`, that of commands.
    pub fn command(&mut self, message: &Received, topic: &str) {
        let is_on = match commands::privacy_command(&message.payload, message.retain) {
            PrivacyCommand::On => true,
            PrivacyCommand::Off => false,
            PrivacyCommand::StaleOff => return,
            PrivacyCommand::Invalid => {
                if !self.ignored {
                    let payload = &message.payload;
                    let start = payload[..payload.len().min(32)].escape_ascii();
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
