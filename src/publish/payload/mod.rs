//! The payloads. Each is one JSON object, except for availability (`online`, `offline`, `stopped`) and
//! privacy (`ON`, `OFF`), which are a bare word.
//!
//! Valence and arousal have two decimals, most other numbers three. An unknown number is `null`.

mod camera;
mod event;
mod expression;
mod face;
mod health;
mod result;
mod scene;
#[cfg(test)]
mod schema;
mod state;
mod value;
mod visits;

pub use self::{
    camera::CameraPayload,
    event::EventPayload,
    face::FacePayload,
    health::HealthPayload,
    result::ResultPayload,
    scene::ScenePayload,
    state::{StateFaces, StatePayload},
    value::Stamp,
    visits::VisitsPayload,
};

/// The bare word of `base/privacy` and the topics below it.
#[must_use]
pub fn privacy_word(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

#[cfg(test)]
mod tests;
