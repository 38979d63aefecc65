//! The camera's status.

use jiff::Timestamp;
use serde::Serialize;

use super::value::Moment;
use crate::{capture::CameraStatus, publish::identity::Identity};

/// `base/camera`: whether frames arrive, and if not, why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CameraPayload<'a> {
    /// `ok`, `stalled`, `missing`, `unsupported` or `disabled`.
    #[cfg_attr(test, schemars(with = "super::schema::Status"))]
    status: &'static str,
    /// In plain words: what was found and, if there is one, the remedy. May be empty.
    reason: &'a str,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> CameraPayload<'a> {
    /// The camera's `status` as of `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, status: CameraStatus, reason: &'a str, time: Timestamp) -> Self {
        Self {
            status: status.name(),
            reason,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}
