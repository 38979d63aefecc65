#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, path::Path};

use super::{
    layer::{Layer, from_toml},
    rules::{Allowed, RULES},
    value::Value,
    *,
};

fn defaults() -> Layer {
    let mut problems = Vec::new();
    let layer = from_toml(DEFAULT_TOML, |_| Place::Default, &mut problems);
    assert_eq!(problems, []);
    layer
}

fn file(text: &str) -> Result<Loaded, Invalid> {
    stack(Some((Path::new("affectd.toml"), text)), &[], &[])
}

#[test]
fn every_setting_has_a_rule_and_a_default_and_the_other_way_round() {
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.key).collect();
    let defaults: BTreeSet<_> = defaults().0.iter().map(|entry| entry.rule.key).collect();
    assert_eq!(rules, defaults);
    assert_eq!(rules.len(), RULES.len(), "a key has two rules");

    // `Settings` refuses unknown fields and has no defaults of its own: it takes exactly these keys.
    stack(None, &[], &[]).unwrap();
    for left_out in RULES {
        let some: Layer = Layer(defaults_without(left_out.key).into_iter().collect());
        let settings: Result<Settings, _> = config::Config::builder()
            .add_source(some)
            .build()
            .and_then(config::Config::try_deserialize);
        assert!(settings.is_err(), "Settings does not need {}", left_out.key);
    }
}

fn defaults_without(key: &str) -> Vec<super::layer::Entry> {
    let mut entries = defaults().0;
    entries.retain(|entry| entry.rule.key != key);
    entries
}

#[test]
fn the_comment_above_each_default_says_what_is_allowed() {
    let mut section = String::new();
    let mut comment = String::new();
    let mut documented = 0;
    for line in DEFAULT_TOML.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
            comment.push('\n');
        } else if let Some((name, _)) = line.split_once(" = ") {
            let key = format!("{section}{name}");
            let rule = RULES.iter().find(|rule| rule.key == key).unwrap();
            let allowed = format!("Allowed: {}.\n", rule.allowed);
            assert!(comment.contains(&allowed), "{key}: {allowed}{comment}");
            documented += 1;
            comment.clear();
        } else {
            comment.clear();
        }
    }
    assert_eq!(documented, RULES.len());
}

#[test]
fn both_ends_of_every_range_are_allowed_and_nothing_beyond() {
    for rule in RULES {
        let accepts = |value| rule.allowed.accepts(&value);
        match rule.allowed {
            Allowed::Whole(min, max, _) => {
                assert!(
                    accepts(Value::Whole(min)) && accepts(Value::Whole(max)),
                    "{}",
                    rule.key
                );
                assert!(!accepts(Value::Whole(min - 1)) && !accepts(Value::Whole(max + 1)));
                assert!(!accepts(Value::Number(max as f64)));
            }
            Allowed::Number(min, max, _) => {
                assert!(
                    accepts(Value::Number(min)) && accepts(Value::Number(max)),
                    "{}",
                    rule.key
                );
                assert!(!accepts(Value::Number(min - 0.001)) && !accepts(Value::Number(max + 0.001)));
                for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    assert!(!accepts(Value::Number(value)), "{}: {value}", rule.key);
                }
            }
            Allowed::OneOf(words) => {
                for word in words {
                    assert!(accepts(Value::Text((*word).to_owned())));
                }
                assert!(!accepts(Value::Text("other".to_owned())));
            }
            Allowed::Flag | Allowed::Text(..) | Allowed::NumberOrText(..) | Allowed::List => {}
        }
        for wrong in [Value::Other("a table"), Value::Text("\u{7}".to_owned())] {
            assert!(!accepts(wrong), "{}", rule.key);
        }
    }
}

#[test]
fn texts_are_tested_for_what_the_words_say() {
    let accepts = |key: &str, text: &str| {
        let rule = RULES.iter().find(|rule| rule.key == key).unwrap();
        rule.allowed.accepts(&Value::Text(text.to_owned()))
    };
    for (key, good, bad) in [
        (
            "device",
            &["", "hall-2", "A_b"][..],
            &["a b", "a/b", "ä", "a.b"][..],
        ),
        ("camera.device", &["auto", "/dev/video0"], &["", "video0", "Auto"]),
        (
            "expression.model",
            &["maxvit-s", "v1.2"],
            &["", "../x", "a/b", ".hidden"],
        ),
        (
            "mqtt.host",
            &["", "broker", "192.168.0.2", "fe80::1%eth0", "mqtt.example.org"],
            &["mqtt://broker", "broker:1883", "a b", "user@broker"],
        ),
        (
            "mqtt.base",
            &["affectd", "home/hall"],
            &["", "/a", "a/", "a/+", "#", "$SYS"],
        ),
        (
            "gpio.chip",
            &["", "/dev/gpiochip4", "tegra234-gpio", "gpio-sim.0-node0"],
            &["dev/gpiochip4", "a label of more than 31 characters"],
        ),
        (
            "gpio.switch",
            &["", "0", "17", "1023", "GPIO17", "PQ.05"],
            &["-1", "1024", "a name of more than 31 characters"],
        ),
        (
            "mqtt.password_file",
            &["", "/run/credentials/x/y"],
            &["hunter2", "./x"],
        ),
    ] {
        for text in good {
            assert!(accepts(key, text), "{key} = {text}");
        }
        for text in bad {
            assert!(!accepts(key, text), "{key} = {text}");
        }
    }
}

#[test]
fn a_quoted_key_is_no_path() {
    let error = file("\"camera.width\" = 320").unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].found, "an unknown key");
}

#[test]
fn a_shorter_list_replaces_a_longer_one_whole() {
    let text = "[camera]\nsource = \"pipe\"\ncommand = [\"a\", \"b\", \"c\"]";
    let option = Override {
        option: "--set".to_owned(),
        key: "camera.command".to_owned(),
        value: "[\"d\"]".to_owned(),
    };
    let loaded = stack(Some((Path::new("x.toml"), text)), &[], &[option]).unwrap();
    assert_eq!(loaded.settings.camera.command, ["d"]);
}

#[test]
fn what_is_printed_is_read_again() {
    let text = "device = \"a\"\n[camera]\nsource = \"pipe\"\ncommand = [\"x\", \"\\\"y\\\" # z\"]\nrate = 5";
    let first = file(text).unwrap();
    let printed = first.to_toml();
    assert!(printed.contains("rate = 5  # affectd.toml:5\n"), "{printed}");
    assert_eq!(file(&printed).unwrap().settings, first.settings);
}

#[test]
fn many_problems_are_counted_rather_than_shown() {
    let text: String = (0..100).map(|i| format!("unknown{i} = 1\n")).collect();
    let error = file(&text).unwrap_err();
    assert_eq!(error.problems.len(), 100);
    assert!(error.to_string().ends_with("and 70 more"));
}
