#![allow(clippy::unwrap_used)]
//! Tests of the parent module.

use super::*;
use crate::{model::VaOrigin, publish::samples::identity, sense::face::Category};

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
