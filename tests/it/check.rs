//! `affectd check` with real models and a picture instead of a camera.

use crate::common::models;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

fn check(models: &Path, settings: &[&str]) -> Output {
    let picture = format!("camera.path={SOURCE}/tests/data/pictures/astronaut.jpg");
    let models = format!("models={}", models.display());
    let usual = [
        "expression.model=tiny-combined",
        "camera.source=files",
        &picture,
        &models,
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_affectd"));
    command.env_clear().args(["check", "--config", "/dev/null"]);
    for setting in usual.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command.output().unwrap()
}

/// Returns the first words of each line, separated by single spaces.
fn verdicts(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn everything_is_ready() {
    let models = models::folder();
    let output = check(models.path(), &[]);
    assert_eq!(
        verdicts(&output),
        [
            "configuration ok",
            "detector ok",
            "follower ok",
            "expression ok",
            "camera ok",
            "gpio ok",
            "broker ok",
            "http ok"
        ],
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_timeout_that_the_packaged_unit_rejects_is_pointed_out() {
    let unit = fs::read_to_string(format!("{SOURCE}/systemd/affectd.service.d/daemon.conf")).unwrap();
    assert!(unit.contains("\nWatchdogSec=30s\n"), "{unit}");
    let models = models::folder();
    for (seconds, is_pointed_out) in [(15, false), (16, true)] {
        let output = check(models.path(), &[&format!("camera.timeout_s={seconds}")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let warning = format!("found {seconds}, but the packaged unit allows at most 15");
        assert_eq!(text.contains(&warning), is_pointed_out, "{text}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn all_failures_are_reported_and_the_first_sets_the_exit_code() {
    let models = models::folder();
    let weights = models.path().join("blazeface.onnx");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();

    let settings = [
        "camera.source=v4l2",
        "camera.device=/dev/nonexistent",
        "gpio.chip=/dev/nonexistent",
        "gpio.switch=17",
        "mqtt.host=broker.invalid",
        "mqtt.username=me",
        "mqtt.password_file=/nonexistent/password",
    ];
    let output = check(models.path(), &settings);
    assert_eq!(
        verdicts(&output),
        [
            "configuration ok",
            "detector ok",
            "follower FAILED",
            "expression ok",
            "camera FAILED",
            "gpio FAILED",
            "broker FAILED",
            "http ok"
        ],
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(66));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("SHA-256") && text.contains("/dev/nonexistent"),
        "{text}"
    );
    assert!(
        text.contains("mqtt.password_file /nonexistent/password cannot be read"),
        "{text}"
    );
    assert!(
        text.contains("gpio.chip: found \"/dev/nonexistent\"; allowed: "),
        "{text}"
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "affectd: not ready: follower, camera, gpio, broker\n"
    );
}

#[test]
fn each_part_has_its_exit_code() {
    let models = models::folder();
    for (setting, code) in [
        ("camera.path=/nonexistent.jpg", 74),
        ("expression.model=centerface", 66),
        ("detect.model=nonexistent", 66),
        ("models=/nonexistent", 66),
        ("gpio.switch=no such line", 78),
    ] {
        let output = check(models.path(), &[setting]);
        assert_eq!(output.status.code(), Some(code), "{setting}: {output:?}");
    }
}
