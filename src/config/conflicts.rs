//! Constraints between settings: values that are allowed individually but not together.

use std::time::Duration;

use super::{
    camera_format::CameraFormat,
    listen::Place,
    settings::{Camera, Http, Line, Mqtt, Settings, SourceKind},
};

/// Two settings that contradict each other.
#[derive(Debug)]
pub struct Conflict {
    /// The setting to change.
    pub key: &'static str,
    /// The setting that it contradicts.
    pub with: &'static str,
    /// What is allowed, and why.
    pub allowed: String,
}

impl Conflict {
    /// Whether `key` is one of the two.
    #[must_use]
    pub fn is_between(&self, key: &str) -> bool {
        self.key == key || self.with == key
    }
}

/// Every contradiction in `settings`. `watchdog` is systemd's watchdog timeout.
#[must_use]
pub fn conflicts(settings: &Settings, watchdog: Option<Duration>) -> Vec<Conflict> {
    let mut found = Vec::new();
    camera(&settings.camera, watchdog, &mut found);
    mqtt(&settings.mqtt, &mut found);
    http(&settings.http, &mut found);
    let Settings {
        expression,
        smoothing,
        gpio,
        health,
        ..
    } = settings;
    add(
        &mut found,
        smoothing.floor + smoothing.margin > 1.0,
        ["smoothing.margin", "smoothing.floor"],
        "at most 1 together with smoothing.floor, or no category could replace uncertain",
    );
    add(
        &mut found,
        smoothing.gap.as_secs_f32() * expression.rate <= 1.0,
        ["smoothing.gap_s", "expression.rate"],
        "more than 1 / expression.rate, or every classification would reset the means",
    );
    add(
        &mut found,
        gpio.led != Line::Unused && gpio.led == gpio.switch,
        ["gpio.switch", "gpio.led"],
        "a line other than gpio.led",
    );
    add(
        &mut found,
        health.cool_c >= health.hot_c,
        ["health.cool_c", "health.hot_c"],
        "less than health.hot_c",
    );
    found
}

fn add(found: &mut Vec<Conflict>, is_conflict: bool, [key, with]: [&'static str; 2], allowed: &str) {
    if is_conflict {
        let allowed = allowed.to_owned();
        found.push(Conflict { key, with, allowed });
    }
}

fn camera(camera: &Camera, watchdog: Option<Duration>, found: &mut Vec<Conflict>) {
    add(
        found,
        camera.source == SourceKind::Pipe && camera.command.first().is_none_or(String::is_empty),
        ["camera.command", "camera.source"],
        "a program and its arguments, since camera.source is pipe",
    );
    add(
        found,
        camera.source == SourceKind::Files && camera.path.as_os_str().is_empty(),
        ["camera.path", "camera.source"],
        "a picture, a folder or a recording, since camera.source is files",
    );
    add(
        found,
        camera.source == SourceKind::V4l2 && camera.format == CameraFormat::Y4m,
        ["camera.format", "camera.source"],
        "auto or a pixel format, since camera.source is v4l2",
    );
    // Nothing feeds the watchdog while a camera delivers no frames, so a stall must be reported well before
    // the timeout.
    if let Some(watchdog) = watchdog {
        add(
            found,
            camera.timeout > watchdog / 2,
            ["camera.timeout_s", "camera.timeout_s"],
            &format!(
                "at most {}, half of the {} s after which systemd restarts the daemon (WatchdogSec, WATCHDOG_USEC)",
                (watchdog / 2).as_secs_f32(),
                watchdog.as_secs_f32()
            ),
        );
    }
}

fn mqtt(mqtt: &Mqtt, found: &mut Vec<Conflict>) {
    add(
        found,
        !mqtt.ca_file.as_os_str().is_empty() && !mqtt.tls,
        ["mqtt.ca_file", "mqtt.tls"],
        "empty, since mqtt.tls is false",
    );
    let has_certificate = !mqtt.client_cert_file.as_os_str().is_empty();
    let has_key = !mqtt.client_key_file.as_os_str().is_empty();
    for (is_set, key) in [
        (has_certificate, "mqtt.client_cert_file"),
        (!mqtt.server_name.is_empty(), "mqtt.server_name"),
        (!mqtt.alpn.is_empty(), "mqtt.alpn"),
    ] {
        add(
            found,
            is_set && !mqtt.tls,
            [key, "mqtt.tls"],
            "empty, since mqtt.tls is false",
        );
    }
    add(
        found,
        has_certificate && !has_key,
        ["mqtt.client_key_file", "mqtt.client_cert_file"],
        "the file of the private key, since mqtt.client_cert_file is set",
    );
    add(
        found,
        has_key && !has_certificate,
        ["mqtt.client_key_file", "mqtt.client_cert_file"],
        "empty, since mqtt.client_cert_file is empty",
    );
    let has_socket = mqtt.host.iter().any(|host| host.starts_with('/'));
    add(
        found,
        has_socket && mqtt.tls,
        ["mqtt.tls", "mqtt.host"],
        "false, since mqtt.host is a Unix socket",
    );
    add(
        found,
        has_socket && !mqtt.websocket_path.is_empty(),
        ["mqtt.websocket_path", "mqtt.host"],
        "empty, since mqtt.host is a Unix socket",
    );
    add(
        found,
        !mqtt.password_file.as_os_str().is_empty() && mqtt.username.is_empty(),
        ["mqtt.password_file", "mqtt.username"],
        "empty, since mqtt.username is empty (MQTT has no password without a user)",
    );
}

fn http(http: &Http, found: &mut Vec<Conflict>) {
    let is_empty = |path: &std::path::Path| path.as_os_str().is_empty();
    let is_public = http.listen.place().is_some_and(Place::is_public);
    add(
        found,
        is_public && is_empty(&http.token_file),
        ["http.token_file", "http.listen"],
        "a file, since other machines can reach http.listen",
    );
    add(
        found,
        is_public && is_empty(&http.cert_file),
        ["http.cert_file", "http.listen"],
        "a file, since other machines can reach http.listen and the token must not be read on the way",
    );
    add(
        found,
        is_empty(&http.cert_file) != is_empty(&http.key_file),
        ["http.key_file", "http.cert_file"],
        "a file if http.cert_file is set, otherwise empty",
    );
}
