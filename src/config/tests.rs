#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, path::Path};

use std::{ffi::OsString, time::Duration};

use super::{
    constraint::Constraint,
    layer::{Layer, from_toml},
    rules::{RULES, Rule},
    *,
};

fn defaults() -> Layer {
    let mut diagnostics = Vec::new();
    let layer = from_toml(Origin::Default, DEFAULT_TOML, &mut diagnostics);
    assert_eq!(diagnostics, []);
    layer
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let variable = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    variables.iter().map(variable).collect()
}

fn file(text: &str) -> Result<Loaded, ConfigError> {
    stack(Some((Path::new("affectd.toml"), text)), &[], &[])
}

#[test]
fn rules_defaults_and_settings_have_the_same_keys() {
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.key).collect();
    let described: BTreeSet<_> = defaults().0.iter().map(|entry| entry.rule.key).collect();
    assert_eq!(rules, described);
    assert_eq!(rules.len(), RULES.len(), "a key has two rules");

    // `Settings` rejects unknown fields and has no defaults itself, so it takes exactly these keys.
    stack(None, &[], &[]).unwrap();
    for left_out in RULES {
        let mut some = defaults();
        some.0.retain(|entry| entry.rule.key != left_out.key);
        assert!(
            load::merge(&[some]).is_err(),
            "Settings does not need {}",
            left_out.key
        );
    }
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
            let rule = Rule::of(&key).unwrap();
            let allowed = format!("Allowed: {}.\n", rule.constraint);
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
        let accepts = |value| rule.constraint.accepts(&value);
        match rule.constraint {
            Constraint::Integer { min, max, .. } => {
                assert!(
                    accepts(Value::Integer(min)) && accepts(Value::Integer(max)),
                    "{}",
                    rule.key
                );
                assert!(!accepts(Value::Integer(min - 1)) && !accepts(Value::Integer(max + 1)));
                assert!(!accepts(Value::Float(max as f64)));
            }
            Constraint::Float { min, max, .. } => {
                assert!(
                    accepts(Value::Float(min)) && accepts(Value::Float(max)),
                    "{}",
                    rule.key
                );
                assert!(!accepts(Value::Float(min - 0.001)) && !accepts(Value::Float(max + 0.001)));
                for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    assert!(!accepts(Value::Float(value)), "{}: {value}", rule.key);
                }
            }
            Constraint::OneOf(words) => {
                for word in words {
                    assert!(accepts(Value::String((*word).to_owned())));
                }
                assert!(!accepts(Value::String("other".to_owned())));
            }
            Constraint::StringOrList { .. } => {
                let list =
                    |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
                assert!(accepts(list(&["one", "two"])), "{}", rule.key);
                for wrong in [&[][..], &[""], &["one", ""], &["one", "\u{7}"]] {
                    assert!(!accepts(list(wrong)), "{}: {wrong:?}", rule.key);
                }
            }
            Constraint::Bool
            | Constraint::String { .. }
            | Constraint::IntegerOrString { .. }
            | Constraint::List => {}
        }
        for wrong in [Value::Other("a table"), Value::String("\u{7}".to_owned())] {
            assert!(!accepts(wrong), "{}", rule.key);
        }
    }
}

#[test]
fn each_text_rule_checks_its_format() {
    let accepts = |key: &str, text: &str| {
        let rule = Rule::of(key).unwrap();
        rule.constraint.accepts(&Value::String(text.to_owned()))
    };
    for (key, good, bad) in [
        (
            "device",
            &["", "hall-2", "A_b"][..],
            &["a b", "a/b", "ä", "a.b", "--help", "_a"][..],
        ),
        ("camera.device", &["auto", "/dev/video0"], &["", "video0", "Auto"]),
        (
            "expression.model",
            &["maxvit-s", "v1.2"],
            &["", "../x", "a/b", ".hidden"],
        ),
        (
            "mqtt.host",
            &[
                "",
                "broker",
                "192.168.0.2",
                "fe80::1%eth0",
                "mqtt.example.org",
                "/run/mosquitto.sock",
            ],
            &["mqtt://broker", "broker:1883", "a b", "user@broker"],
        ),
        (
            "mqtt.server_name",
            &["", "broker", "10.0.0.1"],
            &["fe80::1%eth0", "a b"],
        ),
        ("mqtt.alpn", &["", "mqtt", "x-amzn-mqtt-ca"], &["a b", "ä"]),
        ("mqtt.websocket_path", &["", "/", "/mqtt?x=1"], &["mqtt", "/a b"]),
        ("mqtt.username", &["", "kiosk 3"], &["a\0", "a\u{ffff}"]),
        (
            "mqtt.base",
            &["affectd", "home/hall"],
            &["", "/a", "a/", "a//b", "a/+", "#", "$SYS", "a\u{fffe}", "a\u{7f}"],
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
fn a_quoted_dot_is_literal() {
    let error = file("\"camera.width\" = 320").unwrap_err();
    assert_eq!(error.diagnostics.len(), 1);
    assert_eq!(error.diagnostics[0].found, "an unknown key");
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
fn printed_settings_load_again() {
    let text = "device = \"a\"\n[camera]\nsource = \"pipe\"\ncommand = [\"x\", \"\\\"y\\\" # z\"]\nrate = 5";
    let first = file(text).unwrap();
    let printed = first.to_toml();
    assert!(printed.contains("rate = 5  # affectd.toml:5\n"), "{printed}");
    assert_eq!(file(&printed).unwrap().settings, first.settings);
}

#[test]
fn many_errors_are_counted_rather_than_shown() {
    let text: String = (0..100).map(|i| format!("unknown{i} = 1\n")).collect();
    let error = file(&text).unwrap_err();
    assert_eq!(error.diagnostics.len(), 100);
    assert!(error.to_string().ends_with("and 70 more"));
}

#[test]
fn seconds_become_durations() {
    let settings = file("[camera]\ntimeout_s = 0.3\n[mqtt]\nhealth_s = 60")
        .unwrap()
        .settings;
    assert_eq!(settings.camera.timeout, Duration::from_millis(300));
    assert_eq!(settings.mqtt.health, Duration::from_secs(60));
}

#[test]
fn the_device_is_named_after_the_host_unless_it_is_set() {
    assert_eq!(
        file("device = \"hall-2\"").unwrap().settings.device_id().as_str(),
        "hall-2"
    );
    let settings = file("").unwrap().settings;
    assert_eq!(settings.device, None);
    assert!(DeviceId::is_valid(&settings.device_id()));
}

#[test]
fn every_unknown_key_is_reported_with_its_line() {
    // As many as a file of the maximum size can hold; the time must be linear in their number.
    let text: String = (0..80_000).map(|i| format!("unknown{i} = 1\n")).collect();
    let error = file(&text).unwrap_err();
    assert_eq!(error.diagnostics.len(), 80_000);
    for (index, diagnostic) in error.diagnostics.iter().enumerate() {
        assert_eq!(diagnostic.origin, Origin::File("affectd.toml".into(), index + 1));
    }
}

#[test]
fn the_camera_timeout_is_at_most_half_the_watchdog() {
    let load = |timeout: &str, variables: &[(&str, &str)]| {
        let text = format!("[camera]\ntimeout_s = {timeout}");
        stack(
            Some((Path::new("affectd.toml"), &text)),
            &environment(variables),
            &[],
        )
    };
    let watched = [("WATCHDOG_USEC", "30000000")];
    load("15", &watched).unwrap();
    load("60", &[]).unwrap();
    let error = load("15.1", &watched).unwrap_err();
    assert_eq!(error.diagnostics.len(), 1);
    assert_eq!(
        error.diagnostics[0].to_string(),
        "affectd.toml:2: camera.timeout_s: found 15.1; allowed: at most 15, half of the 30 s after which systemd \
         restarts the daemon (WatchdogSec, WATCHDOG_USEC)"
    );
    // Variables of another process and invalid values are ignored.
    load("60", &[watched[0], ("WATCHDOG_PID", "1")]).unwrap();
    load("60", &[("WATCHDOG_USEC", "soon")]).unwrap();
    load("60", &[("WATCHDOG_USEC", "0")]).unwrap();
    let own = std::process::id().to_string();
    load("60", &[watched[0], ("WATCHDOG_PID", &own)]).unwrap_err();
}

#[test]
fn brokers_are_one_or_a_list() {
    let hosts =
        |value: &str| file(&format!("[mqtt]\nhost = {value}")).map(|loaded| loaded.settings.mqtt.host);
    assert_eq!(hosts("\"fd00::1\"").unwrap(), ["fd00::1"]);
    assert_eq!(hosts("[\"one\", \"two\"]").unwrap(), ["one", "two"]);
    assert!(hosts("\"\"").unwrap().is_empty());
    let error = hosts("[\"one\", \"two:1883\"]").unwrap_err();
    assert_eq!(error.diagnostics[0].key, "mqtt.host");
    let variables = environment(&[("AFFECTD_MQTT__HOST", r#"["one", "two"]"#)]);
    let loaded = stack(None, &variables, &[]).unwrap();
    assert_eq!(loaded.settings.mqtt.host, ["one", "two"]);
}

#[test]
fn a_version_of_mqtt_may_be_written_as_a_number() {
    let version = |value: &str| {
        let loaded = file(&format!("[mqtt]\nversion = {value}")).unwrap();
        loaded.settings.mqtt.version
    };
    assert_eq!(version("5"), MqttVersion::V5);
    assert_eq!(version("\"5\""), MqttVersion::V5);
    assert_eq!(version("\"3.1.1\""), MqttVersion::V311);
    assert!(file("[mqtt]\nversion = 4").is_err());
}
