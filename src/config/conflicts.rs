//! Rules between settings: values that are allowed each for itself but not together.

use super::settings::{Line, Settings, SourceKind};

/// Two settings that do not go together.
#[derive(Debug)]
pub struct Conflict {
    /// The setting to change.
    pub key: &'static str,
    /// The one it must agree with.
    pub with: &'static str,
    /// What is allowed, and why.
    pub allowed: String,
}

/// Everything in `settings` that does not go together.
#[must_use]
pub fn conflicts(settings: &Settings) -> Vec<Conflict> {
    let Settings {
        camera,
        expression,
        smoothing,
        mqtt,
        gpio,
        health,
        ..
    } = settings;
    let mut found = Vec::new();
    let mut check = |wrong: bool, key, with, allowed: &str| {
        if wrong {
            let allowed = allowed.to_owned();
            found.push(Conflict { key, with, allowed });
        }
    };

    check(
        camera.source == SourceKind::Pipe && camera.command.first().is_none_or(String::is_empty),
        "camera.command",
        "camera.source",
        "a program and its arguments, since camera.source is pipe",
    );
    check(
        camera.source == SourceKind::Files && camera.path.as_os_str().is_empty(),
        "camera.path",
        "camera.source",
        "a picture, a folder or a recording, since camera.source is files",
    );
    check(
        camera.source == SourceKind::V4l2 && camera.format == "y4m",
        "camera.format",
        "camera.source",
        "auto or a pixel format, since camera.source is v4l2",
    );
    check(
        !mqtt.ca_file.as_os_str().is_empty() && !mqtt.tls,
        "mqtt.ca_file",
        "mqtt.tls",
        "empty, since mqtt.tls is false",
    );
    check(
        !mqtt.password_file.as_os_str().is_empty() && mqtt.username.is_empty(),
        "mqtt.password_file",
        "mqtt.username",
        "empty, since mqtt.username is empty (MQTT has no password without a user)",
    );
    check(
        smoothing.floor + smoothing.margin > 1.0,
        "smoothing.margin",
        "smoothing.floor",
        "at most 1 together with smoothing.floor, or no face could leave uncertain",
    );
    check(
        smoothing.gap_s * expression.rate <= 1.0,
        "smoothing.gap_s",
        "expression.rate",
        "more than 1 / expression.rate, or every reading would start anew",
    );
    check(
        gpio.led != Line::Unused && gpio.led == gpio.switch,
        "gpio.switch",
        "gpio.led",
        "another line than gpio.led",
    );
    check(
        health.cool_c >= health.hot_c,
        "health.cool_c",
        "health.hot_c",
        "less than health.hot_c",
    );
    found
}
