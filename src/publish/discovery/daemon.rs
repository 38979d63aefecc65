//! The entities about the daemon and its board, and the counters of visits.

use serde_json::json;

use super::entity::Entity;
use crate::{capture::CameraStatus, publish::topics::Topics};

/// How many people came today. These counters hold while nobody looks.
pub fn visit_entities(topics: &Topics) -> [Entity; 3] {
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
pub fn device_entities(topics: &Topics) -> [Entity; 6] {
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
