//! The answer to a command.

use jiff::Timestamp;
use serde::Serialize;

use super::value::Moment;
use crate::publish::command::{Answer, Id};

/// `base/result`, never retained: the answer to a message on `base/command`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResultPayload<'a> {
    /// As in the command; `null` if that has none or it cannot be read.
    id: Option<&'a Id>,
    /// The command's name; `null` if it is not known.
    #[cfg_attr(test, schemars(with = "Option<super::schema::CommandName>"))]
    command: Option<&'static str>,
    /// Whether the command was carried out.
    ok: bool,
    /// If the command was not carried out: the reason, and what is allowed; otherwise `null`.
    error: Option<&'a str>,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> ResultPayload<'a> {
    /// `answer` as of `time`, of the run with the id `boot`.
    #[must_use]
    pub fn new(boot: &'a str, answer: &'a Answer, time: Timestamp) -> Self {
        Self {
            id: answer.id.as_ref(),
            command: answer.command,
            ok: answer.error.is_none(),
            error: answer.error.as_deref(),
            boot,
            time: Moment(time),
        }
    }
}
