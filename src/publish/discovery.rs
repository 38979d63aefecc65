//! Home Assistant's device discovery: one retained message that describes the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).
//!
//! State and availability are shared by all entities, and one JSON feeds category, valence and arousal, so
//! that they never disagree. There is no `expire_after`: the state is retained, and availability tells
//! whether it is alive.

use serde_json::{Map, Value, json};

use super::{Identity, payload::CameraStatus, topics::Topics};
use crate::model::VaOrigin;

/// The message for `topics.discovery`.
#[must_use]
pub fn config(identity: &Identity, topics: &Topics) -> Value {
    let device = &identity.device;
    let mut components = Map::new();
    let mut add = |key: &str, platform: &str, name: &str, mut rest: Value| {
        rest["p"] = platform.into();
        rest["name"] = name.into();
        rest["unique_id"] = format!("affectd_{device}_{key}").into();
        components.insert(key.into(), rest);
    };
    if !identity.categories.is_empty() {
        let mut options: Vec<&str> = identity
            .categories
            .iter()
            .map(|category| category.name())
            .collect();
        options.extend(["none", "uncertain"]);
        let rest = json!({
            "device_class": "enum",
            "options": options,
            "value_template": "{{ value_json.category }}",
            "icon": "mdi:emoticon-outline",
        });
        add("category", "sensor", "Expression", rest);
    }
    if identity.va != VaOrigin::None {
        for (key, name) in [("valence", "Valence"), ("arousal", "Arousal")] {
            let rest = json!({
                "state_class": "measurement",
                "suggested_display_precision": 2,
                "value_template": format!("{{{{ value_json.{key} }}}}"),
            });
            add(key, "sensor", name, rest);
        }
    }
    let rest = json!({
        "state_class": "measurement",
        "value_template": "{{ value_json.faces }}",
        "icon": "mdi:account-multiple",
    });
    add("faces", "sensor", "Faces", rest);
    let rest = json!({
        "device_class": "enum",
        "options": CameraStatus::ALL,
        "state_topic": topics.camera,
        "value_template": "{{ value_json.status }}",
        "json_attributes_topic": topics.camera,
        "json_attributes_template": "{{ {'reason': value_json.reason} | tojson }}",
        "entity_category": "diagnostic",
    });
    add("camera", "sensor", "Camera", rest);
    let rest = json!({
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "unit_of_measurement": "fps",
        "state_topic": topics.health,
        "value_template": "{{ value_json.fps }}",
        "entity_category": "diagnostic",
    });
    add("fps", "sensor", "Frame rate", rest);
    let rest = json!({
        "device_class": "temperature",
        "state_class": "measurement",
        "suggested_display_precision": 0,
        "unit_of_measurement": "°C",
        "state_topic": topics.health,
        "value_template": "{{ value_json.temperature }}",
        "entity_category": "diagnostic",
    });
    add("temperature", "sensor", "Temperature", rest);
    let rest = json!({
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "state_topic": topics.health,
        "value_template": "{{ (value_json.shed * 100) | round(0) }}",
        "json_attributes_topic": topics.health,
        "json_attributes_template": "{{ {'strain': value_json.strain} | tojson }}",
        "icon": "mdi:speedometer-slow",
        "entity_category": "diagnostic",
    });
    add("shed", "sensor", "Work left out", rest);
    let rest = json!({
        "device_class": "problem",
        "state_topic": topics.health,
        // Home Assistant takes "None" for unknown.
        "value_template":
            "{% set low = value_json.undervoltage %}{{ 'None' if low is none else ('ON' if low else 'OFF') }}",
        "entity_category": "diagnostic",
    });
    add("undervoltage", "binary_sensor", "Undervoltage", rest);
    let rest = json!({
        "state_topic": topics.privacy,
        "command_topic": topics.privacy_set,
        "payload_on": "ON",
        "payload_off": "OFF",
        "icon": "mdi:eye-off-outline",
    });
    add("privacy", "switch", "Privacy", rest);

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
        // Home Assistant ignores a word that is neither of the two; "stopped" must not look available.
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "state_topic": topics.state,
        "qos": 1,
        "cmps": components,
    })
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
