//! Valid and invalid configurations and their messages.
//!
//! Every `tests/data/config/valid-*.toml` must load. For every `invalid-*.toml`, the messages must be those
//! in the file of the same name that ends in `.expected`. `UPDATE_EXPECTED=1 cargo test` rewrites these
//! files; review them before committing.

mod environment;
mod program;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use affectd::config::{ConfigError, Loaded, Override, SourceKind, stack};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config");

/// Lists the configurations whose names start with `beginning`.
fn configurations(beginning: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(beginning) && name.ends_with(".toml")
        })
        .collect();
    found.sort();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// Loads a file under its bare name, so that messages do not depend on where the tests run.
fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let name = Path::new(path.file_name().unwrap());
    stack(Some((name, &fs::read_to_string(path).unwrap())), &[], &[])
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn set(key: &str, value: &str) -> Override {
    Override {
        option: "--set".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Returns the messages about one invalid variable.
fn refused(name: &str, value: &str) -> String {
    stack(None, &environment(&[(name, value)]), &[])
        .unwrap_err()
        .to_string()
}

fn affectd(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_affectd"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn valid_configurations_load() {
    for path in configurations("valid-") {
        if let Err(invalid) = load(&path) {
            panic!("{}: {invalid}", path.display());
        }
    }
}

#[test]
fn invalid_configurations_are_refused_with_the_expected_messages() {
    for path in configurations("invalid-") {
        let messages = format!("{}\n", load(&path).unwrap_err());
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &messages).unwrap();
        }
        assert_eq!(
            messages,
            fs::read_to_string(&expected).unwrap(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    for path in configurations("invalid-") {
        let invalid = load(&path).unwrap_err();
        assert!(
            !format!("{invalid} {invalid:?}").contains("hunter2"),
            "{invalid:?}"
        );
    }
    for (name, value) in [
        ("AFFECTD_MQTT__PASSWORD", "hunter2"),
        ("AFFECTD_MQTT__PASSWORD_FILE", "hunter2"),
        ("AFFECTD_MQTT__HOST", "mqtts://me:hunter2@broker"),
    ] {
        let message = refused(name, value);
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.contains(name), "{message}");
    }
    assert!(refused("AFFECTD_MQTT__PASSWORD", "x").contains("name the file in mqtt.password_file"));
}

#[test]
fn later_layers_override_earlier_ones() {
    let file = Path::new("affectd.toml");
    let text = "[camera]\nwidth = 1\n[mqtt]\nhost = \"file\"\nusername = \"file\"\nbase = \"file\""
        .replace("= 1", "= 100");
    let loaded = stack(
        Some((file, &text)),
        &environment(&[
            ("AFFECTD_MQTT__HOST", "environment"),
            ("AFFECTD_MQTT__BASE", "environment"),
            ("HOME", "/"),
        ]),
        &[set("mqtt.base", "first"), set("mqtt.base", "last")],
    )
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.camera.height, 480);
    assert_eq!(settings.camera.width, 100);
    assert_eq!(settings.mqtt.username, "file");
    assert_eq!(settings.mqtt.host, ["environment"]);
    assert_eq!(settings.mqtt.base.as_str(), "last");

    let printed = loaded.to_toml();
    for line in [
        "height = 480  # default",
        "width = 100  # affectd.toml:2",
        "host = \"environment\"  # environment AFFECTD_MQTT__HOST",
        "base = \"last\"  # option --set",
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line} is not in\n{printed}"
        );
    }
}

#[test]
fn names_that_would_harm_others_are_refused() {
    for (key, value) in [
        ("mqtt.base", "a//b"),
        ("mqtt.base", "a\u{fffe}"),
        ("mqtt.discovery_prefix", "a/+"),
        ("device", "--help"),
        ("expression.model", "../x"),
    ] {
        let option = format!("{key}={value}");
        let output = affectd(&["check", "--print", "--set", &option], &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{option}: {message}");
        assert!(
            message.contains(&format!("option --set: {key}: found ")),
            "{message}"
        );
        assert!(!message.contains('\u{fffe}'), "{message:?}");
    }
}

#[test]
fn a_pipe_or_a_device_is_not_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("affectd.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, kind) in [
        (pipe.to_str().unwrap(), "a named pipe"),
        ("/dev/zero", "a device"),
    ] {
        let output = affectd(&["check", "--print", "--config", path], &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{message}");
        assert!(
            message.contains(&format!("it is {kind}, not a regular file")),
            "{message}"
        );
    }
    let output = affectd(&["check", "--print", "--config", "/dev/null"], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn all_layers_are_checked_at_once() {
    let invalid = stack(
        Some((Path::new("a.toml"), "x = 1\n[camera]\nwidth = 1")),
        &environment(&[("AFFECTD_CAMERA__RATE", "0")]),
        &[set("camera.hight", "480")],
    )
    .unwrap_err();
    let origins: Vec<_> = invalid
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.origin.to_string())
        .collect();
    assert_eq!(
        origins,
        [
            "a.toml:1",
            "a.toml:3",
            "environment AFFECTD_CAMERA__RATE",
            "option --set"
        ]
    );
    assert_eq!(&*invalid.diagnostics[3].hint, "did you mean camera.height?");
}
