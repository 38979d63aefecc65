//! Home Assistant's device discovery: one retained message that describes the device and its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>).
//!
//! Entities about what is seen are available only while the daemon runs and the camera is ok, so that nobody
//! looking is not recorded as nobody there. All others need only the daemon. One JSON message feeds
//! category, valence and arousal, so that they never disagree. There is no `expire_after`: the state is
//! retained, and availability says whether it is current.

use serde_json::{Map, Value, json};

use super::{identity::Identity, topics::Topics};
use crate::{capture::CameraStatus, model::VaOrigin, sense::face::Label};

/// One entity of the device.
struct Entity {
    /// Part of its unique id; must never change.
    key: &'static str,
    /// Home Assistant's platform.
    platform: &'static str,
    /// Its name for people; `None` removes an entity that an earlier version or model may have had.
    name: Option<&'static str>,
    /// Everything else, as Home Assistant's documentation of the platform names it.
    options: Value,
}

impl Entity {
    fn new(key: &'static str, platform: &'static str, name: &'static str, options: Value) -> Self {
        Self {
            key,
            platform,
            name: Some(name),
            options,
        }
    }

    /// An entity about what is seen, available only while the camera is ok.
    fn seen(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        topics: &Topics,
        mut options: Value,
    ) -> Self {
        // Replaces the device's list.
        options["availability"] = json!([
            daemon_availability(topics),
            {
                "topic": topics.camera,
                "value_template": "{{ 'online' if value_json.status == 'ok' else 'offline' }}",
            },
        ]);
        options["availability_mode"] = "all".into();
        Self::new(key, platform, name, options)
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

    /// A sensor that this model does not have. Home Assistant removes it if it knows it.
    fn removed_sensor(key: &'static str) -> Self {
        Self {
            key,
            platform: "sensor",
            name: None,
            options: json!({}),
        }
    }

    fn component(self, identity: &Identity) -> Value {
        let mut component = self.options;
        component["p"] = self.platform.into();
        if let Some(name) = self.name {
            component["name"] = name.into();
            component["unique_id"] = format!("affectd_{}_{}", identity.device, self.key).into();
        }
        component
    }
}

/// Whether the daemon runs. Home Assistant ignores words that it does not know; "stopped" must not look
/// available.
fn daemon_availability(topics: &Topics) -> Value {
    json!({
        "topic": topics.availability,
        "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
    })
}

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

/// What faces show, as far as the model knows it.
fn expression_entities(identity: &Identity, topics: &Topics) -> Vec<Entity> {
    let category = if identity.categories.is_empty() {
        Entity::removed_sensor("category")
    } else {
        let categories = identity.categories.iter().map(|category| category.name());
        let others = [Label::None, Label::Uncertain, Label::Withheld].map(Label::name);
        let options: Vec<&str> = categories.chain(others).collect();
        let options = json!({
            "device_class": "enum",
            "options": options,
            "value_template": "{{ value_json.category }}",
            "icon": "mdi:emoticon-outline",
        });
        Entity::seen("category", "sensor", "Expression", topics, options)
    };
    let circumplex = [
        (
            "valence",
            "Valence",
            "valence",
            &topics.state,
            "mdi:emoticon-happy-outline",
        ),
        ("arousal", "Arousal", "arousal", &topics.state, "mdi:pulse"),
        ("mood", "Mood", "valence", &topics.scene, "mdi:account-group"),
    ];
    let circumplex = circumplex.map(|(key, name, field, topic, icon)| {
        if identity.va == VaOrigin::None {
            return Entity::removed_sensor(key);
        }
        let options = json!({
            "state_topic": topic,
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "value_template": format!("{{{{ value_json.{field} }}}}"),
            "icon": icon,
        });
        Entity::seen(key, "sensor", name, topics, options)
    });
    [category].into_iter().chain(circumplex).collect()
}

/// Who is in view.
fn scene_entities(topics: &Topics) -> [Entity; 4] {
    let faces = json!({
        "state_class": "measurement",
        "unit_of_measurement": "faces",
        "value_template": "{{ value_json.faces }}",
        "icon": "mdi:account-multiple",
    });
    let presence = json!({
        "device_class": "occupancy",
        // Home Assistant takes "None" for unknown.
        "value_template":
            "{% set faces = value_json.faces %}{{ 'None' if faces is none else ('ON' if faces > 0 else 'OFF') }}",
    });
    let attending = json!({
        "state_topic": topics.scene,
        "state_class": "measurement",
        "unit_of_measurement": "faces",
        "value_template": "{{ value_json.attending }}",
        "icon": "mdi:eye",
    });
    let face = json!({
        "state_topic": topics.event,
        "event_types": ["appeared", "present", "left", "changed"],
        "value_template": "{{ dict(value_json, event_type=value_json.event) | tojson }}",
        "icon": "mdi:face-man",
    });
    [
        Entity::seen("faces", "sensor", "Faces", topics, faces),
        Entity::seen("presence", "binary_sensor", "Presence", topics, presence),
        Entity::seen("attending", "sensor", "Attending", topics, attending),
        Entity::seen("face", "event", "Face", topics, face),
    ]
}

/// How many people came today. These counters hold while nobody looks.
fn visit_entities(topics: &Topics) -> [Entity; 3] {
    let counter = |field: &str, unit: &str, icon: &str| {
        json!({
            "state_topic": topics.visits,
            "state_class": "total_increasing",
            "unit_of_measurement": unit,
            "value_template": format!("{{{{ value_json.today.{field} }}}}"),
            "icon": icon,
        })
    };
    let mean = json!({
        "state_topic": topics.visits,
        "device_class": "duration",
        "state_class": "measurement",
        "unit_of_measurement": "s",
        "suggested_display_precision": 0,
        "value_template": "{{ value_json.today.mean_s }}",
    });
    let visits = counter("visits", "visits", "mdi:counter");
    let smiles = counter("smiled", "visits", "mdi:emoticon-happy");
    [
        Entity::new("visits_today", "sensor", "Visits today", visits),
        Entity::new("smiles_today", "sensor", "Smiles today", smiles),
        Entity::new("mean_visit", "sensor", "Mean visit", mean),
    ]
}

/// The daemon and its board.
fn device_entities(topics: &Topics) -> [Entity; 6] {
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
        let components = config["cmps"].as_object().unwrap();
        let names: Vec<&str> = components.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "arousal",
                "attending",
                "camera",
                "category",
                "face",
                "faces",
                "fps",
                "mean_visit",
                "mood",
                "presence",
                "privacy",
                "shed",
                "smiles_today",
                "temperature",
                "undervoltage",
                "valence",
                "visits_today",
            ]
        );
        for (key, component) in components {
            assert!(component["p"].is_string(), "{key}");
            assert_eq!(component["unique_id"], format!("affectd_lobby_{key}"));
        }
        assert!(!config.to_string().contains("expire_after"));
        let options = components["category"]["options"].as_array().unwrap();
        assert_eq!(options[8..], ["none", "uncertain", "withheld"]);
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
    fn what_is_seen_is_available_only_while_the_camera_is_ok() {
        let config = discovery(&Category::ALL, VaOrigin::Projected);
        let daemon = json!({
            "topic": "affectd/lobby/availability",
            "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
        });
        let camera = json!({
            "topic": "affectd/lobby/camera",
            "value_template": "{{ 'online' if value_json.status == 'ok' else 'offline' }}",
        });
        assert_eq!(config["availability"], json!([daemon]));
        let seen: Vec<&str> = config["cmps"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, component)| component.get("availability").is_some())
            .map(|(key, component)| {
                assert_eq!(component["availability"], json!([daemon, camera]), "{key}");
                assert_eq!(component["availability_mode"], "all", "{key}");
                key.as_str()
            })
            .collect();
        assert_eq!(
            seen,
            [
                "arousal",
                "attending",
                "category",
                "face",
                "faces",
                "mood",
                "presence",
                "valence"
            ]
        );
    }

    #[test]
    fn presence_and_face_can_trigger_automations() {
        let components = &discovery(&Category::ALL, VaOrigin::Projected)["cmps"];
        let (presence, face) = (&components["presence"], &components["face"]);
        assert_eq!(
            (&presence["p"], &presence["device_class"]),
            (&json!("binary_sensor"), &json!("occupancy"))
        );
        assert_eq!(face["p"], "event");
        assert_eq!(face["state_topic"], "affectd/lobby/event");
        assert_eq!(
            face["event_types"],
            json!(["appeared", "present", "left", "changed"])
        );
    }

    #[test]
    fn scene_and_visits_feed_their_sensors() {
        let components = &discovery(&Category::ALL, VaOrigin::Projected)["cmps"];
        for (key, topic, template, state_class, unit) in [
            ("mood", "scene", "valence", "measurement", None),
            ("attending", "scene", "attending", "measurement", Some("faces")),
            (
                "visits_today",
                "visits",
                "today.visits",
                "total_increasing",
                Some("visits"),
            ),
            (
                "smiles_today",
                "visits",
                "today.smiled",
                "total_increasing",
                Some("visits"),
            ),
            ("mean_visit", "visits", "today.mean_s", "measurement", Some("s")),
        ] {
            let component = &components[key];
            assert_eq!(
                component["state_topic"],
                format!("affectd/lobby/{topic}"),
                "{key}"
            );
            assert_eq!(
                component["value_template"],
                format!("{{{{ value_json.{template} }}}}"),
                "{key}"
            );
            assert_eq!(component["state_class"], state_class, "{key}");
            assert_eq!(component["unit_of_measurement"], json!(unit), "{key}");
        }
        assert_eq!(components["mean_visit"]["device_class"], "duration");
    }

    #[test]
    fn what_a_model_does_not_have_is_removed() {
        let removed = json!({ "p": "sensor" });
        let components = &discovery(&Category::ALL[..7], VaOrigin::None)["cmps"];
        assert_eq!(components["category"]["options"].as_array().unwrap().len(), 10);
        for key in ["valence", "arousal", "mood"] {
            assert_eq!(components[key], removed, "{key}");
        }
        let components = &discovery(&[], VaOrigin::Annotated)["cmps"];
        assert_eq!(components["category"], removed);
        assert_eq!(components["mood"]["name"], "Mood");
    }
}
