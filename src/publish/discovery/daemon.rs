//! The entities about the daemon and its board, its controls, and the counters of visits.

use serde_json::json;

use super::entity::Entity;
use crate::{
    capture::CameraStatus, config::MessageRate, health::Hardware, publish::topics::Topics, requests::Requests,
};

/// How many people came today. These counters stay valid while the camera does not look.
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
        // Whole seconds, so not every visit adds a row to the recorder.
        "value_template": "{{ value_json.today.mean_s | round(0, default=none) }}",
    });
    let visits = counter("visits", "visits", "mdi:counter");
    let smiles = counter("smiled", "visits", "mdi:emoticon-happy");
    [
        Entity::new("visits_today", "sensor", "Visits today", visits),
        Entity::new("smiles_today", "sensor", "Smiles today", smiles),
        Entity::new("mean_visit", "sensor", "Mean visit", mean),
    ]
}

/// The daemon itself.
pub fn daemon_entities(topics: &Topics) -> [Entity; 5] {
    let camera = json!({
        "device_class": "enum",
        "options": CameraStatus::ALL.map(CameraStatus::name),
        "value_template": "{{ value_json.status }}",
        "json_attributes_topic": topics.camera,
        "json_attributes_template": "{{ {'reason': value_json.reason} | tojson }}",
        "icon": "mdi:camera",
    });
    let shed = json!({
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "value_template": "{{ (value_json.shed * 100) | round(0) }}",
        "json_attributes_topic": topics.health,
        "json_attributes_template": "{{ {'reason': value_json.shed_reason} | tojson }}",
        "icon": "mdi:speedometer-slow",
    });
    let fps = json!({
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "unit_of_measurement": "fps",
        "value_template": "{{ value_json.fps }}",
        "icon": "mdi:filmstrip",
    });
    let memory = json!({
        "device_class": "data_size",
        "state_class": "measurement",
        "unit_of_measurement": "B",
        "suggested_unit_of_measurement": "MiB",
        "suggested_display_precision": 0,
        "value_template": "{{ value_json.rss }}",
    });
    let uptime = json!({
        "device_class": "duration",
        "unit_of_measurement": "s",
        "value_template": "{{ value_json.uptime }}",
    });
    let health = &topics.health;
    [
        Entity::diagnostic("camera", "sensor", "Camera", &topics.camera, camera),
        Entity::diagnostic("shed", "sensor", "Load shed", health, shed),
        Entity::rare_diagnostic("fps", "sensor", "Frame rate", health, fps),
        Entity::rare_diagnostic("memory", "sensor", "Memory", health, memory),
        Entity::rare_diagnostic("uptime", "sensor", "Uptime", health, uptime),
    ]
}

/// The sensors that the board has.
pub fn board_entities(hardware: &Hardware, topics: &Topics) -> [Entity; 2] {
    let health = &topics.health;
    let temperature = if hardware.has_thermometer {
        let options = json!({
            "device_class": "temperature",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "unit_of_measurement": "°C",
            "value_template": "{{ value_json.temperature }}",
        });
        Entity::diagnostic("temperature", "sensor", "Temperature", health, options)
    } else {
        Entity::removed("temperature", "sensor")
    };
    let undervoltage = if hardware.detects_undervoltage {
        let options = json!({
            "device_class": "problem",
            // Home Assistant interprets "None" as unknown.
            "value_template":
                "{% set low = value_json.undervoltage %}{{ 'None' if low is none else ('ON' if low else 'OFF') }}",
        });
        Entity::diagnostic("undervoltage", "binary_sensor", "Undervoltage", health, options)
    } else {
        Entity::removed("undervoltage", "binary_sensor")
    };
    [temperature, undervoltage]
}

/// The entities that send commands.
pub fn controls(requests: &Requests, topics: &Topics) -> [Entity; 4] {
    let privacy = json!({
        "state_topic": topics.privacy,
        "command_topic": topics.privacy_set,
        "payload_on": "ON",
        "payload_off": "OFF",
        // A command sent while the device is offline reaches it when it reconnects.
        "retain": true,
        "icon": "mdi:eye-off-outline",
    });
    let rate = json!({
        "state_topic": topics.health,
        "value_template": "{{ value_json.rate }}",
        "command_template": r#"{"command": "rate", "value": {{ value }}}"#,
        "min": MessageRate::MIN,
        "max": MessageRate::MAX,
        "step": 0.1,
        "mode": "box",
        "unit_of_measurement": "1/s",
        "icon": "mdi:timer-outline",
    });
    let button = |is_there: bool, key, name, class: &str| {
        if !is_there {
            return Entity::removed(key, "button");
        }
        let payload = format!(r#"{{"command": "{key}"}}"#);
        let options = json!({ "device_class": class, "payload_press": payload });
        Entity::control(key, "button", name, topics, options)
    };
    [
        Entity::new("privacy", "switch", "Privacy", privacy),
        Entity::control("rate", "number", "Rate", topics, rate),
        button(requests.is_supervised, "restart", "Restart", "restart"),
        button(requests.has_led, "identify", "Identify", "identify"),
    ]
}
