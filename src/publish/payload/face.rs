//! One tracked face.

use serde::Serialize;

use super::{
    expression::Expression,
    value::{ModelPayload, Moment, Seconds, Share, Stamp, seconds},
};
use crate::{
    json::Decimals,
    publish::identity::Identity,
    sense::{
        face::{Label, TrackedFace},
        geometry::Rect,
    },
};

/// `base/face/<track>`: one tracked face.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FacePayload<'a> {
    #[serde(flatten)]
    expression: Expression<'a>,
    /// The track's number, as in the topic.
    track: u32,
    /// The detector's box: left, top, width, height as fractions of the frame; a face at the edge may reach
    /// beyond 0 to 1.
    r#box: [Decimals<3>; 4],
    /// Quality of the crop, 0 to 1: lower for small, blurred or turned faces.
    #[cfg_attr(test, schemars(range(min = 0, max = 1)))]
    quality: Share,
    /// Counts the face messages of all tracks since the daemon's start.
    seq: u64,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// Seconds from the capture of the frame to `time`.
    age: Option<Seconds>,
    model: ModelPayload<'a>,
}

impl<'a> FacePayload<'a> {
    /// One face in a frame of `size` pixels.
    #[must_use]
    pub fn new(identity: &'a Identity, face: &TrackedFace, size: (u32, u32), stamp: Stamp) -> Self {
        Self {
            expression: Expression::of(Some(face), Label::Uncertain, &identity.categories),
            track: face.track,
            r#box: fractions(&face.detection.rect, size),
            quality: Decimals(face.quality),
            seq: stamp.seq,
            boot: &identity.boot,
            time: Moment(stamp.time),
            age: seconds(stamp.age),
            model: ModelPayload::of(identity),
        }
    }
}

pub(super) fn fractions(rect: &Rect, (width, height): (u32, u32)) -> [Decimals<3>; 4] {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    [
        Decimals(rect.x / width),
        Decimals(rect.y / height),
        Decimals(rect.width / width),
        Decimals(rect.height / height),
    ]
}
