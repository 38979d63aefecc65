//! Home Assistant's device discovery: one retained message that describes the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).
//!
//! Entities about what is seen are available only while the daemon runs and the camera is ok, so a camera
//! that does not look is not recorded as an empty room. All others need only the daemon. One JSON message
//! feeds category, valence and arousal, so they never disagree. There is no `expire_after`: the state is
//! retained, and availability says whether it is current.

pub mod birth;
mod daemon;
mod entity;
mod seen;

use serde_json::{Map, Value, json};

use self::{
    daemon::{board_entities, controls, daemon_entities, visit_entities},
    entity::daemon_availability,
    seen::{expression_entities, scene_entities, triggers},
};
use super::{identity::Identity, topics::Topics};
use crate::requests::Requests;

/// The message for `topics.discovery`, with the controls that `requests` can carry out.
#[must_use]
pub fn config(identity: &Identity, topics: &Topics, requests: &Requests) -> Value {
    let components: Map<String, Value> = expression_entities(identity, topics)
        .into_iter()
        .chain(scene_entities(topics))
        .chain(visit_entities(topics))
        .chain(triggers(topics))
        .chain(daemon_entities(topics))
        .chain(board_entities(&identity.hardware, topics))
        .chain(controls(requests, topics))
        .map(|entity| (entity.key.to_owned(), entity.component(identity)))
        .collect();
    json!({
        "dev": device(identity),
        "o": origin(&identity.version, env!("CARGO_PKG_HOMEPAGE")),
        "availability": [daemon_availability(topics)],
        "state_topic": topics.state,
        "qos": 1,
        "cmps": components,
    })
}

/// The program, with its home page if the package names one (`homepage` in Cargo.toml).
fn origin(version: &str, homepage: &str) -> Value {
    let mut origin = json!({ "name": "affectd", "sw": version });
    if !homepage.is_empty() {
        origin["url"] = homepage.into();
    }
    origin
}

/// The device: the board's name and the model, or only the model if the board has no name.
fn device(identity: &Identity) -> Value {
    let name = &identity.device;
    let mut device = json!({
        "ids": [format!("affectd_{name}")],
        "name": format!("affectd {name}"),
        "mf": "affectd",
        "mdl": identity.model,
        "sw": identity.version,
    });
    let hardware = &identity.hardware;
    if let Some(model) = &hardware.model {
        device["mdl"] = model.as_str().into();
        device["mdl_id"] = identity.model.as_str().into();
    }
    if let Some(serial) = &hardware.serial {
        device["sn"] = serial.as_str().into();
    }
    if let Some(mac) = &hardware.mac {
        // Links the device to entries of other integrations for the same board.
        device["cns"] = json!([["mac", mac]]);
    }
    if let Some(page) = &identity.page {
        device["cu"] = page.as_str().into();
    }
    device
}

#[cfg(test)]
mod tests;
