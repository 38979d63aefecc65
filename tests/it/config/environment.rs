//! Environment variables.

use super::*;

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
            &["allowed: a list of strings; written like [\"program\", \"argument\"]"],
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
