//! The parts that payloads share.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{
    json::{self, Decimals},
    publish::identity::Identity,
};

/// Valence and arousal, -1 to 1. A model's error is at least ten times the last decimal.
pub(super) type Axis = Decimals<2>;
/// A share, a probability or a quality, 0 to 1.
pub(super) type Share = Decimals<3>;
/// A time in seconds.
pub(super) type Seconds = Decimals<3>;
/// A measurement of the board or of the camera.
pub(super) type Reading = Decimals<1>;
/// The model's categories by name, each with its probability.
pub(super) type Distribution<'a> = json::Distribution<'a, 3>;

/// The number and the time of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// The message's number, see the payloads.
    pub seq: u64,
    /// When the message is made.
    pub time: Timestamp,
    /// Age of the frame that it is about; `None` without a frame.
    pub age: Option<Duration>,
}

/// RFC 3339 in UTC with milliseconds, e.g. `2026-03-01T09:30:00.250Z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// The model that produced a result.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
pub(super) struct ModelPayload<'a> {
    /// Its manifest's name.
    name: &'a str,
    /// The first twelve digits of its file's SHA-256.
    sha256: &'a str,
    /// Where valence and arousal come from: `annotated` (the model was trained on people's annotations),
    /// `fitted` (a map of the categories, fitted to people's ratings), `projected` (a projection of the
    /// categories onto their published means) or `none` (it has neither).
    #[cfg_attr(test, schemars(with = "super::schema::Va"))]
    va: &'static str,
}

impl<'a> ModelPayload<'a> {
    pub(super) fn of(identity: &'a Identity) -> Self {
        Self {
            name: &identity.model,
            sha256: &identity.sha256,
            va: identity.va.name(),
        }
    }
}

pub(super) fn seconds(age: Option<Duration>) -> Option<Seconds> {
    age.map(|age| Decimals(age.as_secs_f32()))
}
