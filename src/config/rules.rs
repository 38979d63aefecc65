//! All settings and their allowed values: the single table behind every check and every message.

use super::{
    camera_format::CameraFormat,
    constraint::Constraint,
    listen::Listen,
    names::{DeviceId, ModelName, TopicPrefix},
    rate::MessageRate,
    settings::MqttVersion,
    value::Value,
};
use crate::text::is_noncharacter;

/// A setting and its allowed values.
#[derive(Debug)]
pub struct Rule {
    /// Dotted key, e.g. `camera.width`.
    pub key: &'static str,
    /// What is allowed.
    pub constraint: Constraint,
}

impl Rule {
    /// The rule of a dotted key.
    #[must_use]
    pub fn of(key: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.key == key)
    }

    /// The section of the setting; empty for those above all sections.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// The setting's name within its section.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// A rejected value as shown in messages. A wrong value for a secret's file may be the secret itself.
    #[must_use]
    pub fn show(&self, value: &Value) -> String {
        let mut secrets = ["password_file", "key_file", "token_file"].into_iter();
        let names_secret = secrets.any(|end| self.key.ends_with(end));
        if names_secret && matches!(value, Value::String(_)) {
            "a string (not shown)".to_owned()
        } else {
            value.to_string()
        }
    }

    /// The setting's environment variable, e.g. `AFFECTD_CAMERA__WIDTH`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("AFFECTD_{}", self.key.replace('.', "__").to_ascii_uppercase())
    }
}

/// Every setting, in the order of default.toml.
pub static RULES: &[Rule] = &[
    rule(
        "device",
        string(
            device,
            "empty, or up to 64 letters, digits, - and _, the first a letter or digit",
        ),
    ),
    rule("models", PATH),
    rule("camera.source", Constraint::OneOf(&["v4l2", "pipe", "files"])),
    rule(
        "camera.device",
        string(camera, "auto, or a path that starts with /"),
    ),
    rule("camera.format", Constraint::OneOf(CameraFormat::WORDS)),
    rule("camera.width", integer(16, 8192, "in pixels")),
    rule("camera.height", integer(16, 8192, "in pixels")),
    rule("camera.rate", float(0.1, 240.0, "in frames a second")),
    rule("camera.timeout_s", float(0.2, 60.0, SECONDS)),
    rule("camera.start_timeout_s", float(0.2, 300.0, SECONDS)),
    rule("camera.stride", integer(0, 131_072, "in bytes")),
    rule("camera.rotate", QUARTER_TURN),
    rule("camera.mirror", Constraint::Bool),
    rule("camera.fov_deg", float(10.0, 170.0, DEGREES)),
    rule("camera.command", Constraint::List),
    rule("camera.path", PATH),
    rule("camera.repeat", Constraint::Bool),
    rule("detect.model", MODEL),
    rule("detect.follow_model", MODEL),
    rule("detect.interval_s", float(0.05, 60.0, SECONDS)),
    rule("detect.still_interval_s", float(0.05, 600.0, SECONDS)),
    rule("detect.min_score", float(0.01, 1.0, "")),
    rule("detect.min_face_px", float(8.0, 4096.0, "in pixels of the frame")),
    rule("detect.lost_s", float(0.1, 60.0, SECONDS)),
    rule("expression.model", MODEL),
    rule("expression.rate", float(0.1, 120.0, "per second")),
    rule("expression.mirror", Constraint::Bool),
    rule("expression.threads", integer(0, 8, "")),
    rule("smoothing.tau_s", float(0.0, 60.0, SECONDS)),
    rule("smoothing.va_tau_s", float(0.0, 60.0, SECONDS)),
    rule("smoothing.margin", float(0.0, 1.0, "")),
    rule("smoothing.dwell_s", float(0.0, 60.0, SECONDS)),
    rule("smoothing.floor", float(0.0, 1.0, "")),
    rule("smoothing.gap_s", float(0.1, 600.0, SECONDS)),
    rule("attention.yaw_deg", float(1.0, 90.0, DEGREES)),
    rule("attention.pitch_deg", float(1.0, 90.0, DEGREES)),
    rule("attention.hold_s", float(0.0, 60.0, SECONDS)),
    rule("visit.gap_s", float(0.0, 600.0, SECONDS)),
    rule("visit.present_s", float(0.0, 3600.0, SECONDS)),
    rule("visit.smile_s", float(0.0, 3600.0, SECONDS)),
    rule("publish.min_faces", integer(1, 8, "")),
    rule("publish.min_quality", float(0.0, 1.0, "")),
    rule("mqtt.version", MQTT_VERSION),
    rule("mqtt.host", HOSTS),
    rule("mqtt.port", integer(0, 65535, "")),
    rule("mqtt.tls", Constraint::Bool),
    rule("mqtt.ca_file", FILE),
    rule("mqtt.client_cert_file", FILE),
    rule("mqtt.client_key_file", FILE),
    rule(
        "mqtt.server_name",
        string(server_name, "a host name or address without port, or empty"),
    ),
    rule("mqtt.alpn", string(alpn, "up to 255 visible ASCII characters")),
    rule(
        "mqtt.websocket_path",
        string(
            websocket_path,
            "up to 255 visible ASCII characters that start with /, or empty",
        ),
    ),
    rule("mqtt.client_id", string(mqtt_string, "up to 256 characters")),
    rule("mqtt.username", string(mqtt_string, "up to 256 characters")),
    rule("mqtt.password_file", FILE),
    rule("mqtt.base", TOPIC),
    rule("mqtt.faces", Constraint::Bool),
    rule("mqtt.discovery", Constraint::Bool),
    rule("mqtt.discovery_prefix", TOPIC),
    rule("mqtt.rate", MESSAGE_RATE),
    rule("mqtt.scene_rate", MESSAGE_RATE),
    rule("mqtt.face_rate", MESSAGE_RATE),
    rule("mqtt.dead_band", float(0.0, 1.0, "")),
    rule("mqtt.refresh_s", float(1.0, 3600.0, SECONDS)),
    rule("mqtt.health_s", float(1.0, 3600.0, SECONDS)),
    rule("http.listen", string(Listen::is_valid, Listen::ALLOWED)),
    rule("http.token_file", FILE),
    rule("http.cert_file", FILE),
    rule("http.key_file", FILE),
    rule(
        "gpio.chip",
        string(
            chip,
            "empty, a path that starts with /, or a label of up to 31 characters",
        ),
    ),
    rule("gpio.led", LINE),
    rule("gpio.led_lit", LEVEL),
    rule("gpio.switch", LINE),
    rule("gpio.switch_private", LEVEL),
    rule("gpio.switch_pull", Constraint::OneOf(&["up", "down", "none"])),
    rule("gpio.switch_debounce_s", float(0.0, 5.0, SECONDS)),
    rule("health.hot_c", float(30.0, 120.0, CELSIUS)),
    rule("health.cool_c", float(20.0, 119.0, CELSIUS)),
    rule("health.dwell_s", float(1.0, 3600.0, SECONDS)),
];

const MESSAGE_RATE: Constraint = float(MessageRate::MIN, MessageRate::MAX, "per second");

const SECONDS: &str = "in seconds";

const DEGREES: &str = "in degrees";

const CELSIUS: &str = "in degrees Celsius";

const LEVEL: Constraint = Constraint::OneOf(&["high", "low"]);

const QUARTER_TURN: Constraint = Constraint::IntegerOrString {
    is_valid: |text| ["0", "90", "180", "270"].contains(&text),
    allowed: "one of 0, 90, 180, 270, in degrees clockwise",
};

const MQTT_VERSION: Constraint = Constraint::IntegerOrString {
    is_valid: |text| MqttVersion::WORDS.contains(&text),
    allowed: "one of auto, 5, 3.1.1",
};

const HOSTS: Constraint = Constraint::StringOrList {
    is_valid: broker,
    allowed: "a host name or address without port and scheme, the path of a Unix socket, a list of those, or empty",
};

const LINE: Constraint = Constraint::IntegerOrString {
    is_valid: line,
    allowed: "empty, a number from 0 to 1023, or a name of up to 31 characters",
};

const PATH: Constraint = string(path, "a path, or empty");

const FILE: Constraint = string(
    |text| text.is_empty() || absolute(text),
    "a path that starts with /, or empty",
);

const MODEL: Constraint = string(ModelName::is_valid, ModelName::ALLOWED);

const TOPIC: Constraint = string(TopicPrefix::is_valid, TopicPrefix::ALLOWED);

const fn rule(key: &'static str, constraint: Constraint) -> Rule {
    Rule { key, constraint }
}

const fn integer(min: i64, max: i64, unit: &'static str) -> Constraint {
    Constraint::Integer { min, max, unit }
}

const fn float(min: f64, max: f64, unit: &'static str) -> Constraint {
    Constraint::Float { min, max, unit }
}

const fn string(is_valid: fn(&str) -> bool, allowed: &'static str) -> Constraint {
    Constraint::String { is_valid, allowed }
}

/// The longest path that Linux accepts, including the terminating NUL.
const MAX_PATH: usize = 4096;

fn device(text: &str) -> bool {
    text.is_empty() || DeviceId::is_valid(text)
}

fn path(text: &str) -> bool {
    text.len() < MAX_PATH && !text.contains(char::is_control)
}

fn absolute(text: &str) -> bool {
    text.starts_with('/') && path(text)
}

fn camera(text: &str) -> bool {
    text == "auto" || absolute(text)
}

/// Names and labels of GPIO chips and lines hold up to 31 characters (linux/gpio.h, `GPIO_MAX_NAME_SIZE`).
fn label(text: &str) -> bool {
    text.len() <= 31 && !text.contains(char::is_control)
}

fn chip(text: &str) -> bool {
    absolute(text) || (label(text) && !text.contains('/'))
}

fn line(text: &str) -> bool {
    match text.parse::<i64>() {
        Ok(number) => (0..=1023).contains(&number),
        Err(_) => label(text),
    }
}

/// Names, IPv4 and IPv6 addresses. IPv6 addresses have at least two colons, so `host:port` is rejected.
fn host(text: &str) -> bool {
    let colons = text.matches(':').count();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%');
    text.len() <= 253 && colons != 1 && text.chars().all(is_allowed)
}

fn broker(text: &str) -> bool {
    host(text) || absolute(text)
}

fn server_name(text: &str) -> bool {
    host(text) && !text.contains('%')
}

fn alpn(text: &str) -> bool {
    text.len() <= 255 && text.chars().all(|c| c.is_ascii_graphic())
}

fn websocket_path(text: &str) -> bool {
    text.is_empty() || (text.starts_with('/') && alpn(text))
}

/// A string that MQTT can carry (MQTT 5, section 1.5.4).
fn mqtt_string(text: &str) -> bool {
    text.chars().count() <= 256 && !text.contains(|c: char| c.is_control() || is_noncharacter(c))
}
