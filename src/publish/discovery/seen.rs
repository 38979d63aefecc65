//! The entities about what is seen: expressions, and who is in view.

use serde_json::json;

use super::entity::Entity;
use crate::{
    model::VaOrigin,
    publish::{identity::Identity, topics::Topics},
    sense::face::Label,
};

/// What faces show, as far as the model predicts it.
pub fn expression_entities(identity: &Identity, topics: &Topics) -> Vec<Entity> {
    let category = if identity.categories.is_empty() {
        Entity::removed("category", "sensor")
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
            false,
        ),
        ("arousal", "Arousal", "arousal", &topics.state, "mdi:pulse", false),
        (
            "mood",
            "Mood",
            "valence",
            &topics.scene,
            "mdi:account-group",
            true,
        ),
    ];
    // A person must enable those of the primary face: with one face in view, its valence equals the mood;
    // arousal agrees poorly with people's ratings; and the two make up a quarter of what the recorder stores
    // about the device.
    let circumplex = circumplex.map(|(key, name, field, topic, icon, is_enabled)| {
        if identity.va == VaOrigin::None {
            return Entity::removed(key, "sensor");
        }
        let options = json!({
            "state_topic": topic,
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "value_template": format!("{{{{ value_json.{field} }}}}"),
            "icon": icon,
            "enabled_by_default": is_enabled,
        });
        Entity::seen(key, "sensor", name, topics, options)
    });
    [category].into_iter().chain(circumplex).collect()
}

/// Who is in view.
pub fn scene_entities(topics: &Topics) -> [Entity; 4] {
    let faces = json!({
        "state_topic": topics.scene,
        "state_class": "measurement",
        "unit_of_measurement": "faces",
        "value_template": "{{ value_json.faces }}",
        "icon": "mdi:account-multiple",
    });
    let presence = json!({
        "state_topic": topics.scene,
        "device_class": "occupancy",
        // Home Assistant interprets "None" as unknown.
        "value_template":
            "{% set occupied = value_json.occupied %}{{ 'None' if occupied is none else ('ON' if occupied else 'OFF') }}",
    });
    let attending = json!({
        "state_topic": topics.scene,
        "state_class": "measurement",
        "unit_of_measurement": "faces",
        "value_template": "{{ value_json.attending }}",
        "icon": "mdi:eye",
    });
    // The recorder keeps who stayed and who left. Every passer-by appears, so that event is only a trigger,
    // and Expression records the changes of category. Home Assistant ignores an event whose payload is empty.
    let recorded = ["present", "left"];
    let face = json!({
        "state_topic": topics.event,
        "event_types": recorded,
        "value_template": format!(
            "{{% if value_json.event in {recorded:?} %}}{{{{ dict(value_json, event_type=value_json.event) | tojson }}}}{{% endif %}}"
        ),
        "icon": "mdi:face-man",
    });
    [
        Entity::seen("faces", "sensor", "Faces", topics, faces),
        Entity::seen("presence", "binary_sensor", "Presence", topics, presence),
        Entity::seen("attending", "sensor", "Attending", topics, attending),
        Entity::seen("face", "event", "Face", topics, face),
    ]
}

/// The events as device triggers, which automations offer without the event entity.
pub fn triggers(topics: &Topics) -> [Entity; 3] {
    [
        ("trigger_appeared", "appeared"),
        ("trigger_present", "present"),
        ("trigger_left", "left"),
    ]
    .map(|(key, event)| {
        let options = json!({
            "automation_type": "trigger",
            "topic": topics.event,
            "value_template": "{{ value_json.event }}",
            "payload": event,
            "type": event,
            "subtype": "face",
        });
        Entity::trigger(key, options)
    })
}
