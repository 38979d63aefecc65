//! Validates JSON against the part of JSON Schema (2020-12) that the published schemas use. A crate for all
//! of it would change the features of dependencies that tests and program share, so the networks would be
//! compiled twice.

use serde_json::{Map, Value};

/// The keywords that only describe, without a rule.
const WORDS: [&str; 5] = ["$schema", "$defs", "title", "description", "$comment"];

/// Returns the fault in `value` and its location, or `None` if `schema`, a part of the document `root`,
/// permits it.
///
/// # Panics
/// If the schema has an unknown keyword, which would otherwise go unchecked.
pub fn fault(value: &Value, schema: &Value, root: &Value) -> Option<String> {
    let mut evaluated = Vec::new();
    check(value, schema, root, &mut evaluated)
}

/// Adds the names of the properties that the schema knows to `evaluated`.
fn check(value: &Value, schema: &Value, root: &Value, evaluated: &mut Vec<String>) -> Option<String> {
    let schema = match schema {
        Value::Bool(true) => return None,
        Value::Bool(false) => return Some(format!("found {value}; nothing is allowed")),
        schema => schema.as_object().unwrap(),
    };
    let mut faults = schema
        .iter()
        .filter(|(keyword, _)| {
            !WORDS.contains(&keyword.as_str()) && keyword.as_str() != "unevaluatedProperties"
        })
        .filter_map(|(keyword, rule)| {
            keyword_fault(keyword, rule, value, schema, root, evaluated)
                .map(|fault| format!("{keyword}: {fault}"))
        });
    if let Some(fault) = faults.next() {
        return Some(fault);
    }
    drop(faults);
    match (schema.get("unevaluatedProperties"), value) {
        (Some(Value::Bool(false)), Value::Object(object)) => {
            let unknown = object.keys().find(|name| !evaluated.contains(name))?;
            Some(format!("unevaluatedProperties: found {unknown:?}"))
        }
        (None | Some(Value::Bool(false)), _) => None,
        (Some(rule), _) => panic!("unevaluatedProperties {rule} is not known here"),
    }
}

fn keyword_fault(
    keyword: &str,
    rule: &Value,
    value: &Value,
    schema: &Map<String, Value>,
    root: &Value,
    evaluated: &mut Vec<String>,
) -> Option<String> {
    let wrong = |is_allowed: bool| (!is_allowed).then(|| format!("found {value}; allowed: {rule}"));
    match keyword {
        "$ref" | "anyOf" | "if" => composed_fault(keyword, rule, value, schema, root, evaluated),
        "type" => {
            let names = rule
                .as_array()
                .map_or_else(|| vec![rule], |names| names.iter().collect());
            wrong(
                names
                    .into_iter()
                    .any(|name| has_type(value, name.as_str().unwrap())),
            )
        }
        "enum" => wrong(rule.as_array().unwrap().contains(value)),
        "const" => wrong(rule == value),
        "minimum" => wrong(
            value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
        ),
        "maximum" => wrong(
            value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().unwrap()),
        ),
        "maxLength" => wrong(
            value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap()),
        ),
        "minItems" | "maxItems" => wrong(value.as_array().is_none_or(|items| {
            let (length, bound) = (items.len() as u64, rule.as_u64().unwrap());
            if keyword == "minItems" {
                length >= bound
            } else {
                length <= bound
            }
        })),
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|item| fault(item, rule, root)),
        "format" => wrong(
            value
                .as_str()
                .is_none_or(|text| has_format(text, rule.as_str().unwrap())),
        ),
        "required" => {
            let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let object = value.as_object()?;
            let missing = names.into_iter().find(|name| !object.contains_key(*name))?;
            Some(format!("{missing:?} is missing"))
        }
        "properties" => rule.as_object().unwrap().iter().find_map(|(name, schema)| {
            let property = value.get(name)?;
            evaluated.push(name.clone());
            fault(property, schema, root).map(|fault| format!("{name}: {fault}"))
        }),
        "additionalProperties" => {
            assert_eq!(rule, &Value::Bool(false), "another rule is not known here");
            let known = schema.get("properties").and_then(Value::as_object);
            let unknown = value
                .as_object()?
                .keys()
                .find(|name| !known.is_some_and(|known| known.contains_key(*name)))?;
            Some(format!("found {unknown:?}"))
        }
        "then" | "else" => None,
        _ => panic!("the keyword {keyword} is not known here"),
    }
}

/// [`keyword_fault`] for the keywords that apply other schemas to the same value.
fn composed_fault(
    keyword: &str,
    rule: &Value,
    value: &Value,
    schema: &Map<String, Value>,
    root: &Value,
    evaluated: &mut Vec<String>,
) -> Option<String> {
    match keyword {
        "$ref" => {
            let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
            check(value, root.pointer(pointer).unwrap(), root, evaluated)
        }
        "anyOf" => {
            let mut faults = Vec::new();
            for alternative in rule.as_array().unwrap() {
                let mut properties = Vec::new();
                match check(value, alternative, root, &mut properties) {
                    None => evaluated.append(&mut properties),
                    Some(fault) => faults.push(fault),
                }
            }
            let is_allowed = faults.len() < rule.as_array().unwrap().len();
            (!is_allowed).then(|| faults.join("; "))
        }
        "if" => {
            let holds = fault(value, rule, root).is_none();
            let branch = schema.get(if holds { "then" } else { "else" })?;
            check(value, branch, root, evaluated)
        }
        _ => unreachable!("{keyword}"),
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("the type {name} is not known here"),
    }
}

fn has_format(text: &str, name: &str) -> bool {
    match name {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        // A format of numbers says nothing about text.
        "int64" => true,
        _ => panic!("the format {name} is not known here"),
    }
}
