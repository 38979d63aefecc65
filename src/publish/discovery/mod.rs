//! Home Assistant's device discovery: one retained message that describes the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).
//!
//! Entities about what is seen are available only while the daemon runs and the camera is ok, so that nobody
//! looking is not recorded as nobody there. All others need only the daemon. One JSON message feeds
//! category, valence and arousal, so that they never disagree. There is no `expire_after`: the state is
//! retained, and availability says whether it is current.

mod daemon;
mod entity;
mod seen;

use serde_json::{Map, Value, json};

use self::{
    daemon::{device_entities, visit_entities},
    entity::daemon_availability,
    seen::{expression_entities, scene_entities},
};
use super::{identity::Identity, topics::Topics};

/// The message for `topics.discovery`.
#[must_use]
pub fn config(identity: &Identity, topics: &Topics) -> Value {
    let device = &identity.device;
    let components: Map<String, Value> = expression_entities(identity, topics)
        .into_iter()
        .chain(scene_entities(topics))
        .chain(visit_entities(topics))
        .chain(device_entities(topics))
        .map(|entity| (entity.key.to_owned(), entity.component(identity)))
        .collect();
    json!({
        "dev": {
            "ids": [format!("affectd_{device}")],
            "name": format!("affectd {device}"),
            "mf": "affectd",
            "mdl": identity.model,
            "sw": identity.version,
        },
        "o": { "name": "affectd", "sw": identity.version },
        "availability": [daemon_availability(topics)],
        "state_topic": topics.state,
        "qos": 1,
        "cmps": components,
    })
}

#[cfg(test)]
mod tests;
