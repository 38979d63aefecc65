//! Home Assistant's device discovery: one retained message that describes the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).
//!
//! All entities share availability, and one JSON feeds category, valence and arousal, so that they never
//! disagree. There is no `expire_after`: the state is retained, and availability says whether it is current.

use serde_json::{Map, Value, json};

use super::{identity::Identity, topics::Topics};
use crate::{capture::CameraStatus, model::VaOrigin, sense::face::Label};

/// One entity of the device.
struct Entity {
    /// Part of its unique id; must never change.
    key: &'static str,
    /// Home Assistant's platform.
    platform: &'static str,
    /// Its name for people.
    name: &'static str,
    /// Everything else, as Home Assistant's documentation of the platform names it.
    options: Value,
}

impl Entity {
    fn new(key: &'static str, platform: &'static str, name: &'static str, options: Value) -> Self {
        Self {
            key,
            platform,
            name,
            options,
        }
    }

    /// A sensor about the daemon itself, fed by the topic `state`.
    fn diagnostic(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        state: &str,
        mut options: Value,
    ) -> Self {
        options["state_topic"] = state.into();
        options["entity_category"] = "diagnostic".into();
        Self::new(key, platform, name, options)
    }
}

/// The message for `topics.discovery`.
#[must_use]
pub fn config(identity: &Identity, topics: &Topics) -> Value {
    let device = &identity.device;
    let mut components = Map::new();
    let entities = expression_entities(identity)
        .into_iter()
        .chain(device_entities(topics));
    for entity in entities {
        let mut component = entity.options;
        component["p"] = entity.platform.into();
        component["name"] = entity.name.into();
        component["unique_id"] = format!("affectd_{device}_{}", entity.key).into();
        components.insert(entity.key.into(), component);
    }
    json!({
        "dev": {
            "ids": [format!("affectd_{device}")],
            "name": format!("affectd {device}"),
            "mf": "affectd",
            "mdl": identity.model,
            "sw": identity.version,
        },
        "o": { "name": "affectd", "sw": identity.version },
        "availability_topic": topics.availability,
        // Home Assistant ignores other words; "stopped" must not look available.
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "state_topic": topics.state,
        "qos": 1,
        "cmps": components,
    })
}

/// What the primary face shows, as far as the model knows it.
fn expression_entities(identity: &Identity) -> Vec<Entity> {
    let mut entities = Vec::new();
    if !identity.categories.is_empty() {
        let mut options: Vec<&str> = identity
            .categories
            .iter()
            .map(|category| category.name())
            .collect();
        options.extend([Label::None.name(), Label::Uncertain.name()]);
        entities.push(Entity::new(
            "category",
            "sensor",
            "Expression",
            json!({
                "device_class": "enum",
                "options": options,
                "value_template": "{{ value_json.category }}",
                "icon": "mdi:emoticon-outline",
            }),
        ));
    }
    if identity.va != VaOrigin::None {
        for (key, name) in [("valence", "Valence"), ("arousal", "Arousal")] {
            let options = json!({
                "state_class": "measurement",
                "suggested_display_precision": 2,
                "value_template": format!("{{{{ value_json.{key} }}}}"),
            });
            entities.push(Entity::new(key, "sensor", name, options));
        }
    }
    entities
}

/// What every device has.
fn device_entities(topics: &Topics) -> [Entity; 7] {
    let faces = json!({
        "state_class": "measurement",
        "value_template": "{{ value_json.faces }}",
        "icon": "mdi:account-multiple",
    });
    let camera = json!({
        "device_class": "enum",
        "options": CameraStatus::ALL.map(CameraStatus::name),
        "value_template": "{{ value_json.status }}",
        "json_attributes_topic": topics.camera,
        "json_attributes_template": "{{ {'reason': value_json.reason} | tojson }}",
    });
    let fps = json!({
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "unit_of_measurement": "fps",
        "value_template": "{{ value_json.fps }}",
    });
    let temperature = json!({
        "device_class": "temperature",
        "state_class": "measurement",
        "suggested_display_precision": 0,
        "unit_of_measurement": "°C",
        "value_template": "{{ value_json.temperature }}",
    });
    let shed = json!({
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "value_template": "{{ (value_json.shed * 100) | round(0) }}",
        "json_attributes_topic": topics.health,
        "json_attributes_template": "{{ {'reason': value_json.shed_reason} | tojson }}",
        "icon": "mdi:speedometer-slow",
    });
    let undervoltage = json!({
        "device_class": "problem",
        // Home Assistant takes "None" for unknown.
        "value_template":
            "{% set low = value_json.undervoltage %}{{ 'None' if low is none else ('ON' if low else 'OFF') }}",
    });
    let privacy = json!({
        "state_topic": topics.privacy,
        "command_topic": topics.privacy_set,
        "payload_on": "ON",
        "payload_off": "OFF",
        // A command that is given while the device is away reaches it when it is back.
        "retain": true,
        "icon": "mdi:eye-off-outline",
    });
    let health = &topics.health;
    [
        Entity::new("faces", "sensor", "Faces", faces),
        Entity::diagnostic("camera", "sensor", "Camera", &topics.camera, camera),
        Entity::diagnostic("fps", "sensor", "Frame rate", health, fps),
        Entity::diagnostic("temperature", "sensor", "Temperature", health, temperature),
        Entity::diagnostic("shed", "sensor", "Load shed", health, shed),
        Entity::diagnostic(
            "undervoltage",
            "binary_sensor",
            "Undervoltage",
            health,
            undervoltage,
        ),
        Entity::new("privacy", "switch", "Privacy", privacy),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{publish::samples::identity, sense::face::Category};

    fn discovery(categories: &[Category], va: VaOrigin) -> Value {
        let identity = Identity {
            categories: categories.to_vec(),
            va,
            ..identity()
        };
        config(&identity, &crate::publish::samples::topics())
    }

    #[test]
    fn every_entity_has_what_home_assistant_requires() {
        let config = discovery(&Category::ALL, VaOrigin::Projected);
        assert_eq!(config["dev"]["ids"][0], "affectd_lobby");
        assert_eq!(config["o"]["name"], "affectd");
        assert_eq!(config["state_topic"], "affectd/lobby/state");
        assert_eq!(config["availability_topic"], "affectd/lobby/availability");
        let components = config["cmps"].as_object().unwrap();
        let names: Vec<&str> = components.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "arousal",
                "camera",
                "category",
                "faces",
                "fps",
                "privacy",
                "shed",
                "temperature",
                "undervoltage",
                "valence"
            ]
        );
        for (key, component) in components {
            assert!(component["p"].is_string(), "{key}");
            assert_eq!(component["unique_id"], format!("affectd_lobby_{key}"));
        }
        assert!(!config.to_string().contains("expire_after"));
        let options = components["category"]["options"].as_array().unwrap();
        assert_eq!(options.len(), 10);
        assert!(options.contains(&"none".into()) && options.contains(&"uncertain".into()));
        assert_eq!(
            components["valence"]["value_template"],
            "{{ value_json.valence }}"
        );
        assert_eq!(components["camera"]["options"][4], "disabled");
        assert_eq!(
            components["privacy"]["command_topic"],
            "affectd/lobby/privacy/set"
        );
        assert_eq!(components["privacy"]["retain"], true);
    }

    #[test]
    fn a_model_offers_only_what_it_can() {
        let config = discovery(&Category::ALL[..7], VaOrigin::None);
        assert_eq!(config["cmps"]["category"]["options"].as_array().unwrap().len(), 9);
        assert!(config["cmps"].get("valence").is_none());
        assert!(
            discovery(&[], VaOrigin::Annotated)["cmps"]
                .get("category")
                .is_none()
        );
    }
}
