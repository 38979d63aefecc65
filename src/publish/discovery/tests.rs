#![allow(clippy::unwrap_used)]
//! Tests of the parent module.

use super::*;
use crate::{health::Hardware, model::VaOrigin, publish::samples::identity, sense::face::Category};

fn discovery(categories: &[Category], va: VaOrigin) -> Value {
    let identity = Identity {
        categories: categories.to_vec(),
        va,
        ..identity()
    };
    config(
        &identity,
        &crate::publish::samples::topics(),
        &Requests::new(true, true),
    )
}

/// The discovery of a board that has every sensor.
fn raspberry_pi() -> Value {
    let identity = Identity {
        hardware: Hardware {
            model: Some("Raspberry Pi 5 Model B Rev 1.0".into()),
            serial: Some("10000000abcdef01".into()),
            mac: Some("d8:3a:dd:01:02:03".into()),
            has_thermometer: true,
            detects_undervoltage: true,
        },
        page: Some("http://lobby.local:8417/".into()),
        ..identity()
    };
    config(
        &identity,
        &crate::publish::samples::topics(),
        &Requests::new(false, false),
    )
}

#[test]
fn every_entity_has_what_home_assistant_requires() {
    let config = discovery(&Category::ALL, VaOrigin::Projected);
    assert_eq!(config["dev"]["ids"][0], "affectd_lobby");
    assert_eq!(config["o"]["name"], "affectd");
    assert_eq!(config["state_topic"], "affectd/lobby/state");
    let components = config["cmps"].as_object().unwrap();
    let removed = json!({ "p": "sensor" });
    let mut names = Vec::new();
    for (key, component) in components {
        assert!(component["p"].is_string(), "{key}");
        if component["p"] == "device_automation" || component.as_object().unwrap().len() == 1 {
            continue;
        }
        assert_eq!(component["unique_id"], format!("affectd_lobby_{key}"));
        names.push(key.as_str());
    }
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
            "identify",
            "mean_visit",
            "memory",
            "mood",
            "presence",
            "privacy",
            "rate",
            "restart",
            "shed",
            "smiles_today",
            "uptime",
            "valence",
            "visits_today",
        ]
    );
    assert_eq!(components["temperature"], removed);
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
fn the_origin_has_an_address_if_the_package_names_one() {
    assert_eq!(origin("1.2.3", ""), json!({ "name": "affectd", "sw": "1.2.3" }));
    assert_eq!(
        origin("1.2.3", "https://affectd.example/"),
        json!({ "name": "affectd", "sw": "1.2.3", "url": "https://affectd.example/" })
    );
}

#[test]
fn sensing_entities_require_an_ok_camera() {
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
fn templates_name_fields_of_the_messages_that_they_read() {
    let config = raspberry_pi();
    let mut templates = 0;
    for (key, component) in config["cmps"].as_object().unwrap() {
        let topic = ["state_topic", "topic"]
            .iter()
            .find_map(|name| component[name].as_str());
        let topic = topic.unwrap_or_else(|| config["state_topic"].as_str().unwrap());
        let name = topic.rsplit('/').next().unwrap();
        let Some(template) = component["value_template"].as_str() else {
            continue;
        };
        let file = format!("{}/docs/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for read in template.split("value_json.").skip(1) {
            let end = read.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let field = &read[..end.unwrap_or(read.len())];
            assert!(
                schema["properties"][field].is_object(),
                "{key} reads {field} of {topic}"
            );
            templates += 1;
        }
    }
    assert!(templates > 15, "{templates}");
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
    assert_eq!(face["event_types"], json!(["present", "left"]));
}

#[test]
fn scene_and_visits_feed_their_sensors() {
    let components = &discovery(&Category::ALL, VaOrigin::Projected)["cmps"];
    for (key, topic, template, state_class, unit) in [
        ("mood", "scene", "valence", "measurement", None),
        ("faces", "scene", "faces", "measurement", Some("faces")),
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
        (
            "mean_visit",
            "visits",
            "today.mean_s | round(0, default=none)",
            "measurement",
            Some("s"),
        ),
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
fn entities_the_model_lacks_are_removed() {
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

#[test]
fn the_device_is_the_board() {
    let config = raspberry_pi();
    assert_eq!(
        config["dev"],
        json!({
            "ids": ["affectd_lobby"],
            "name": "affectd lobby",
            "mf": "affectd",
            "mdl": "Raspberry Pi 5 Model B Rev 1.0",
            "mdl_id": "small",
            "sn": "10000000abcdef01",
            "cns": [["mac", "d8:3a:dd:01:02:03"]],
            "sw": "1.2.3",
            "cu": "http://lobby.local:8417/",
        })
    );
    let unknown = &discovery(&Category::ALL, VaOrigin::Projected)["dev"];
    assert_eq!(unknown["mdl"], "small");
    for key in ["mdl_id", "sn", "cns", "cu"] {
        assert!(unknown[key].is_null(), "{key}");
    }
}

#[test]
fn entities_the_board_lacks_are_removed() {
    let (pi, other) = (raspberry_pi(), discovery(&Category::ALL, VaOrigin::Projected));
    let name = |config: &Value, key: &str| config["cmps"][key]["name"].as_str().map(str::to_owned);
    for (key, platform) in [("temperature", "sensor"), ("undervoltage", "binary_sensor")] {
        assert!(name(&pi, key).is_some(), "{key}");
        assert_eq!(other["cmps"][key], json!({ "p": platform }));
    }
    for key in ["restart", "identify"] {
        assert!(name(&other, key).is_some(), "{key}");
        assert_eq!(pi["cmps"][key], json!({ "p": "button" }), "{key}");
    }
}

#[test]
fn controls_send_commands_that_the_daemon_reads() {
    let components = &discovery(&Category::ALL, VaOrigin::Projected)["cmps"];
    for key in ["rate", "restart", "identify"] {
        let component = &components[key];
        assert_eq!(component["command_topic"], "affectd/lobby/command", "{key}");
        assert_eq!(component["entity_category"], "config", "{key}");
        let template = component["payload_press"]
            .as_str()
            .or(component["command_template"].as_str())
            .unwrap();
        let command = template.replace("{{ value }}", "2.5");
        let command: Value = serde_json::from_str(&command).unwrap();
        assert_eq!(command["command"], key);
    }
    let rate = &components["rate"];
    assert_eq!((&rate["min"], &rate["max"]), (&json!(0.1), &json!(60.0)));
}

#[test]
fn rare_diagnostics_and_the_primary_face_s_circumplex_are_disabled() {
    let config = raspberry_pi();
    let disabled: Vec<&String> = config["cmps"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, component)| component["enabled_by_default"] == false)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(disabled, ["arousal", "fps", "memory", "uptime", "valence"]);
}

#[test]
fn events_are_triggers_of_the_device() {
    let components = &discovery(&Category::ALL, VaOrigin::Projected)["cmps"];
    for event in ["appeared", "present", "left"] {
        assert_eq!(
            components[format!("trigger_{event}")],
            json!({
                "p": "device_automation",
                "automation_type": "trigger",
                "topic": "affectd/lobby/event",
                "value_template": "{{ value_json.event }}",
                "payload": event,
                "type": event,
                "subtype": "face",
            })
        );
    }
}
