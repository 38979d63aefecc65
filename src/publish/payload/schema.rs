//! JSON Schemas of all payloads, and an AsyncAPI document that describes every topic. Both are generated from
//! the types and kept in docs/; `UPDATE_EXPECTED=1 cargo test` rewrites them.

use std::{borrow::Cow, fs, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{
    CameraPayload, EventPayload, FacePayload, HealthPayload, ResultPayload, ScenePayload, StatePayload,
    VisitsPayload, health::LatencyPayload, value::Moment,
};
use crate::{
    capture::CameraStatus,
    category::Category,
    config::MessageRate,
    health::{self, Stage},
    json::{Decimals, Distribution},
    model::VaOrigin,
    sense::face,
};

/// A type whose values are words.
macro_rules! words {
    ($($name:ident: $words:expr),* $(,)?) => {
        $(
            pub(super) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn inline_schema() -> bool {
                    true
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "enum": $words.to_vec() })
                }
            }
        )*
    };
}

words! {
    Status: CameraStatus::ALL.map(CameraStatus::name),
    EventName: ["appeared", "present", "left", "changed"],
    CommandName: COMMANDS,
    Va: [VaOrigin::Annotated, VaOrigin::Fitted, VaOrigin::Projected, VaOrigin::None].map(VaOrigin::name),
    ShedReason: [
        health::ShedReason::Undervoltage,
        health::ShedReason::Throttled,
        health::ShedReason::Hot,
        health::ShedReason::Overload,
    ].map(health::ShedReason::name),
    Label: labels(),
}

const COMMANDS: [&str; 4] = ["identify", "restart", "health", "rate"];

fn labels() -> Vec<&'static str> {
    let others = [face::Label::None, face::Label::Uncertain, face::Label::Withheld].map(face::Label::name);
    Category::ALL
        .map(Category::name)
        .into_iter()
        .chain(others)
        .collect()
}

/// An object with a share for each category that the model predicts.
pub(super) struct ByCategory;

impl JsonSchema for ByCategory {
    fn schema_name() -> Cow<'static, str> {
        "ByCategory".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
        let properties: Map<String, Value> = Category::ALL
            .iter()
            .map(|category| (category.name().to_owned(), share.clone()))
            .collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// An object with the latency of each stage that was measured.
pub(super) struct ByStage;

impl JsonSchema for ByStage {
    fn schema_name() -> Cow<'static, str> {
        "ByStage".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let latency = generator.subschema_for::<LatencyPayload>();
        let properties: Map<String, Value> = Stage::ALL
            .iter()
            .map(|stage| (stage.name().to_owned(), latency.clone().to_value()))
            .collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// A date.
pub(super) struct Day;

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl<const DECIMALS: i32> JsonSchema for Decimals<DECIMALS> {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl<const DECIMALS: i32> JsonSchema for Distribution<'_, DECIMALS> {
    fn schema_name() -> Cow<'static, str> {
        ByCategory::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ByCategory::json_schema(generator)
    }
}

/// The schema of one payload. Fields that it does not name are errors.
fn schema<T: JsonSchema>(topic: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = format!("affectd {topic}").into();
    schema["unevaluatedProperties"] = false.into();
    schema
}

/// The schema of a command, which is parsed by hand so that every error can be named.
fn command() -> Value {
    let rate = json!({ "type": "number", "minimum": MessageRate::MIN, "maximum": MessageRate::MAX });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "affectd command",
        "description": "`base/command`: at most 4096 bytes, and at most 5 commands a second. Retained ones are ignored.",
        "type": "object",
        "properties": {
            "id": {
                "description": "Repeated in the answer.",
                "anyOf": [{ "type": "integer" }, { "type": "string", "maxLength": 64 }],
            },
            "command": { "type": "string", "enum": COMMANDS },
            "value": { "description": "For `rate`: the maximum number of state messages per second.", "type": ["number", "null"] },
        },
        "required": ["command"],
        "additionalProperties": false,
        "if": { "properties": { "command": { "const": "rate" } } },
        "then": { "properties": { "value": rate }, "required": ["value"] },
        "else": { "properties": { "value": { "type": "null" } } },
    })
}

/// One topic below `base`.
struct Topic {
    /// Its last levels.
    name: &'static str,
    /// Whether affectd publishes it; otherwise affectd subscribes to it.
    is_published: bool,
    retained: bool,
    qos: u8,
    /// The schema of a JSON payload, or the words.
    payload: Payload,
}

enum Payload {
    Json(Value),
    Words(&'static [&'static str]),
}

fn topics() -> Vec<Topic> {
    let json = |name, retained, qos, schema| Topic {
        name,
        is_published: name != "command",
        retained,
        qos,
        payload: Payload::Json(schema),
    };
    let words = |name, is_published, words| Topic {
        name,
        is_published,
        retained: true,
        qos: 1,
        payload: Payload::Words(words),
    };
    vec![
        words("availability", true, &["online", "offline", "stopped"]),
        json("state", true, 1, schema::<StatePayload<'_>>("state")),
        json("scene", true, 1, schema::<ScenePayload<'_>>("scene")),
        json("visits", true, 1, schema::<VisitsPayload<'_>>("visits")),
        json("face", false, 0, schema::<FacePayload<'_>>("face")),
        json("event", false, 1, schema::<EventPayload<'_>>("event")),
        json("camera", true, 1, schema::<CameraPayload<'_>>("camera")),
        json("health", true, 0, schema::<HealthPayload<'_>>("health")),
        words("privacy", true, &["ON", "OFF"]),
        words("privacy/set", false, &["ON", "OFF"]),
        json("command", false, 1, command()),
        json("result", false, 1, schema::<ResultPayload<'_>>("result")),
    ]
}

/// The AsyncAPI document (<https://www.asyncapi.com/docs/reference/specification/v3.0.0>). JSON is YAML too.
fn async_api() -> Value {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for topic in topics() {
        let key = topic.name.replace('/', "_");
        let level = if topic.name == "face" {
            "face/{track}"
        } else {
            topic.name
        };
        let (content_type, payload) = match topic.payload {
            Payload::Json(_) => (
                "application/json",
                json!({ "$ref": format!("schemas/{}.json", topic.name) }),
            ),
            Payload::Words(words) => ("text/plain", json!({ "type": "string", "enum": words })),
        };
        let mut parameters =
            json!({ "device": { "description": "the setting `device`, or the host's name" } });
        if topic.name == "face" {
            parameters["track"] = json!({ "description": "number of the track" });
        }
        channels.insert(
            key.clone(),
            json!({
                "address": format!("affectd/{{device}}/{level}"),
                "parameters": parameters,
                "messages": { "message": { "contentType": content_type, "payload": payload } },
            }),
        );
        operations.insert(
            key.clone(),
            json!({
                "action": if topic.is_published { "send" } else { "receive" },
                "channel": { "$ref": format!("#/channels/{key}") },
                "bindings": { "mqtt": { "qos": topic.qos, "retain": topic.retained, "bindingVersion": "0.2.0" } },
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "affectd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What affectd publishes and listens to, with the default of mqtt.base. See docs/mqtt.md.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
    })
}

/// Compares `value` with a file of docs/, or writes it.
fn check(file: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "docs/{file} differs from the types: UPDATE_EXPECTED=1 cargo test rewrites it"
    );
}

#[test]
fn the_documents_are_those_of_the_types() {
    for topic in topics() {
        if let Payload::Json(schema) = &topic.payload {
            check(&format!("schemas/{}.json", topic.name), schema);
        }
    }
    check("asyncapi.json", &async_api());
}
