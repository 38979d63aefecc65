//! Valid and invalid configurations and their messages.
//!
//! Every `tests/data/config/valid-*.toml` must load. For every `invalid-*.toml` the messages must be those in the
//! file of the same name that ends in `.expected`; `UPDATE_EXPECTED=1 cargo test` rewrites these files, to be read
//! before they are committed.

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
fn the_environment_can_set_every_kind_of_value() {
    let loaded = stack(
        None,
        &environment(&[
            ("AFFECTD_DEVICE", "123"),
            ("AFFECTD_CAMERA__SOURCE", "pipe"),
            ("AFFECTD_CAMERA__COMMAND", r#"["ffmpeg", "-i", "a b,c", "-"]"#),
            ("AFFECTD_CAMERA__RATE", "25"),
            ("AFFECTD_CAMERA__WIDTH", " 320 "),
            ("AFFECTD_CAMERA__REPEAT", "true"),
            ("AFFECTD_MQTT__USERNAME", "true"),
            ("AFFECTD_LOG", "debug"),
        ]),
        &[],
    )
    .unwrap();
    let settings = loaded.settings;
    assert_eq!(settings.device_id().as_str(), "123");
    assert_eq!(settings.camera.source, SourceKind::Pipe);
    assert_eq!(settings.camera.command, ["ffmpeg", "-i", "a b,c", "-"]);
    assert_eq!(settings.camera.rate, 25.0);
    assert_eq!(settings.camera.width, 320);
    assert!(settings.camera.repeat);
    assert_eq!(settings.mqtt.username, "true");
}

#[test]
fn variables_are_refused_by_name() {
    for (name, value, parts) in [
        (
            "AFFECTD_CAMERA__WIDTH",
            "wide",
            &["camera.width: found \"wide\"; allowed: a whole number from 16 to 8192"][..],
        ),
        ("AFFECTD_CAMERA__WIDTH", "640.5", &["found 640.5"]),
        (
            "AFFECTD_CAMERA__REPEAT",
            "yes",
            &["found \"yes\"; allowed: true or false"],
        ),
        (
            "AFFECTD_CAMERA__COMMAND",
            "ffmpeg -i x",
            &["allowed: a list of texts; written like [\"program\", \"argument\"]"],
        ),
        (
            "AFFECTD_MQTT__HOTS",
            "broker",
            &["did you mean AFFECTD_MQTT__HOST?"],
        ),
        (
            "AFFECTD_mqtt__host",
            "broker",
            &["found an unknown key", "did you mean AFFECTD_MQTT__HOST?"],
        ),
    ] {
        let message = refused(name, value);
        for part in parts.iter().chain([&format!("environment {name}: ").as_str()]) {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}

#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let variables = [("AFFECTD_MQTT__HOST".into(), OsString::from_vec(vec![0xff]))];
    let message = stack(None, &variables, &[]).unwrap_err().to_string();
    assert!(
        message.contains("AFFECTD_MQTT__HOST: mqtt.host: found bytes that are not UTF-8"),
        "{message}"
    );
}

/// Platforms such as Kubernetes set variables for a service that is called affectd.
#[test]
fn variables_that_name_no_setting_are_ignored_and_reported_once() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut variables = environment(&[
        ("AFFECTD_PORT", "tcp://10.96.0.1:1883"),
        ("AFFECTD_PORT_1883_TCP_ADDR", "10.96.0.1"),
        ("AFFECTD_SERVICE_HOST", "10.96.0.1"),
        ("AFFECTD_MQTT_PORT", "tcp://10.96.0.2:1883"),
        ("AFFECTD_ENV_A__B", "x"),
        ("AFFECTD_", "x"),
        ("AFFECTD___", "x"),
        ("AFFECTD_CAMERA_WIDTH", "320"),
        ("AFFECTD_MQTT__HOST", "broker"),
    ]);
    variables.push(("AFFECTD_NOTES".into(), OsString::from_vec(vec![0xff])));
    variables.push((OsString::from_vec(b"AFFECTD_\xff\x1b".to_vec()), "x".into()));
    let loaded = stack(None, &variables, &[]).unwrap();
    assert_eq!(loaded.settings.mqtt.host, ["broker"]);
    assert_eq!(loaded.settings.mqtt.port, 0);
    assert_eq!(loaded.settings.camera.width, 640);
    assert_eq!(
        loaded.ignored_variables,
        [
            "AFFECTD_",
            "AFFECTD_CAMERA_WIDTH (did you mean AFFECTD_CAMERA__WIDTH?)",
            "AFFECTD_ENV_A__B",
            "AFFECTD_MQTT_PORT (did you mean AFFECTD_MQTT__PORT?)",
            "AFFECTD_NOTES",
            "AFFECTD_PORT",
            "AFFECTD_PORT_1883_TCP_ADDR",
            "AFFECTD_SERVICE_HOST",
            "AFFECTD___",
            "AFFECTD_\u{fffd}\\u{1b}",
        ]
    );

    // The program logs one warning and succeeds.
    let output = Command::new(env!("CARGO_BIN_EXE_affectd"))
        .args(["check", "--print"])
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("count=10") && log.contains("AFFECTD_PORT"), "{log}");
    assert!(!log.contains('\x1b'), "{log:?}");
}

#[test]
fn an_empty_variable_is_as_if_it_were_not_set() {
    let file = Path::new("affectd.toml");
    let text = "[mqtt]\nhost = \"broker\"\n[camera]\nwidth = 320";
    let variables = environment(&[
        ("AFFECTD_MQTT__HOST", ""),
        ("AFFECTD_CAMERA__WIDTH", ""),
        ("AFFECTD_MQTT__NO_SUCH", ""),
        ("AFFECTD_LOG", ""),
        ("AFFECTD_OTHER", ""),
    ]);
    let loaded = stack(Some((file, text)), &variables, &[]).unwrap();
    assert_eq!(loaded.settings.mqtt.host, ["broker"]);
    assert_eq!(loaded.settings.camera.width, 320);
    assert!(loaded.ignored_variables.is_empty());
    // On the command line an empty string is a value.
    let loaded = stack(Some((file, text)), &variables, &[set("mqtt.host", "")]).unwrap();
    assert!(loaded.settings.mqtt.host.is_empty());
    let output = affectd(
        &["check", "--print"],
        &[("AFFECTD_LOG", ""), ("AFFECTD_CAMERA__RATE", "")],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
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

#[test]
fn the_program_refuses_a_wrong_configuration_with_its_exit_code() {
    let file = format!("{FOLDER}/invalid-everything.toml");
    let output = affectd(&["check", "--config", &file], &[]);
    assert_eq!(output.status.code(), Some(78));
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(
        messages.contains(&format!("{file}:6: camera.width: found \"640\"")),
        "{messages}"
    );
    assert!(output.stdout.is_empty());

    for (arguments, variables) in [
        (&["check", "--config", "/nonexistent/affectd.toml"][..], &[][..]),
        (&["check", "--config", FOLDER], &[]),
        (&["check", "--config", "/dev/zero"], &[]),
        (&["check", "--set", "camera.width=1"], &[]),
        (&["check"], &[("AFFECTD_CAMERA__WIDTH", "1")]),
        (&["check"], &[("AFFECTD_LOG", "loud")]),
    ] {
        let output = affectd(arguments, variables);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {messages}");
        assert!(messages.contains("; allowed: "), "{messages}");
    }
}

#[test]
fn errors_reach_the_journal_with_their_priority() {
    use std::os::unix::fs::MetadataExt as _;
    let journal = tempfile::NamedTempFile::new().unwrap();
    let metadata = journal.as_file().metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let status = Command::new(env!("CARGO_BIN_EXE_affectd"))
        .args(["check", "--set", "camera.width=1"])
        .env_clear()
        .env("JOURNAL_STREAM", stream)
        .stderr(journal.reopen().unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(78));
    let messages = fs::read_to_string(journal.path()).unwrap();
    assert_eq!(messages.lines().count(), 2);
    assert!(messages.lines().all(|line| line.starts_with("<3>")), "{messages}");
}

#[test]
fn the_program_refuses_a_wrong_command_line_with_its_exit_code() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["check", "--nonsense"],
        &["check", "--set", "mqtt.host"],
        &["check", "--log-level", "loud"],
    ] {
        let output = affectd(arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["check", "--help"],
        &["help", "check"],
    ] {
        let output = affectd(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            output.stderr.is_empty() && !output.stdout.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_program_prints_a_file_to_begin_with() {
    // This works with an invalid configuration too.
    let output = affectd(&["check", "--defaults"], &[("AFFECTD_CAMERA__WIDTH", "1")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let loaded = stack(Some((Path::new("affectd.toml"), &printed)), &[], &[]).unwrap();
    assert_eq!(loaded.settings, stack(None, &[], &[]).unwrap().settings);
}

#[test]
fn the_program_prints_the_settings_in_force() {
    let file = format!("{FOLDER}/valid-kiosk.toml");
    let output = affectd(
        &["--set", "camera.rate=5", "check", "--print", "--config", &file],
        &[("AFFECTD_MQTT__HOST", "other")],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "rate = 5  # option --set".to_owned(),
        "host = \"other\"  # environment AFFECTD_MQTT__HOST".to_owned(),
        format!("width = 1280  # {file}:6"),
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line} is not in\n{printed}"
        );
    }
    // The output is a valid configuration.
    let again = stack(Some((Path::new("printed.toml"), &printed)), &[], &[]).unwrap();
    assert_eq!(again.settings.mqtt.host, ["other"]);
}
