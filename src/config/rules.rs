//! What each setting may be: the one table behind every check and every message.

use std::fmt;

use super::value::Value;

/// A setting and its allowed values.
#[derive(Debug)]
pub struct Rule {
    /// Dotted key, e.g. `camera.width`.
    pub key: &'static str,
    /// What is allowed.
    pub allowed: Allowed,
}

impl Rule {
    /// The setting's dotted key, as a text of its own.
    #[must_use]
    pub fn name(&self) -> String {
        self.key.to_owned()
    }

    /// A refused value as messages show it. A path in the wrong place may be the secret itself.
    #[must_use]
    pub fn found(&self, value: &Value) -> String {
        if self.key == "mqtt.password_file" && matches!(value, Value::Text(_)) {
            "a text (not shown)".to_owned()
        } else {
            value.to_string()
        }
    }

    /// The environment's variable for this setting, e.g. `AFFECTD_CAMERA__WIDTH`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("AFFECTD_{}", self.key.replace('.', "__").to_ascii_uppercase())
    }
}

/// A setting's type and range.
#[derive(Debug)]
pub enum Allowed {
    /// `true` or `false`.
    Flag,
    /// An integer in a range (both ends included), and its unit.
    Whole(i64, i64, &'static str),
    /// A finite number in a range (both ends included), and its unit.
    Number(f64, f64, &'static str),
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A text that passes a test, and the test in words.
    Text(fn(&str) -> bool, &'static str),
    /// A text that passes a test, or a whole number that passes it as a text; and the test in words.
    NumberOrText(fn(&str) -> bool, &'static str),
    /// A list of texts.
    List,
}

impl Allowed {
    /// Whether `value` has this type and lies in this range. Where a number is asked for, a whole number will do.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Flag, Value::Flag(_)) | (Self::List, Value::List(_)) => true,
            (Self::Whole(min, max, _), Value::Whole(found)) => (min..=max).contains(&found),
            (Self::Number(min, max, _), Value::Whole(found)) => (*min..=*max).contains(&(*found as f64)),
            (Self::Number(min, max, _), Value::Number(found)) => (min..=max).contains(&found),
            (Self::OneOf(words), Value::Text(found)) => words.contains(&found.as_str()),
            (Self::Text(test, _) | Self::NumberOrText(test, _), Value::Text(found)) => test(found),
            (Self::NumberOrText(test, _), Value::Whole(found)) => test(&found.to_string()),
            _ => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |f: &mut fmt::Formatter<'_>, unit: &str| match unit {
            "" => Ok(()),
            unit => write!(f, ", {unit}"),
        };
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Whole(min, max, of) => {
                write!(f, "a whole number from {min} to {max}")?;
                unit(f, of)
            }
            Self::Number(min, max, of) => {
                write!(f, "a number from {min} to {max}")?;
                unit(f, of)
            }
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Text(_, words) | Self::NumberOrText(_, words) => f.write_str(words),
            Self::List => f.write_str("a list of texts"),
        }
    }
}

/// Every setting, in the order of default.toml.
pub static RULES: &[Rule] = &[
    rule(
        "device",
        Allowed::Text(device, "empty, or up to 64 letters, digits, - and _"),
    ),
    rule("models", PATH),
    rule("camera.source", Allowed::OneOf(&["v4l2", "pipe", "files"])),
    rule(
        "camera.device",
        Allowed::Text(camera, "auto, or a path that starts with /"),
    ),
    rule(
        "camera.format",
        Allowed::OneOf(&[
            "auto", "mjpeg", "y4m", "MJPG", "YUYV", "NV12", "YU12", "GREY", "RGB3", "BGR3",
        ]),
    ),
    rule("camera.width", Allowed::Whole(16, 8192, "in pixels")),
    rule("camera.height", Allowed::Whole(16, 8192, "in pixels")),
    rule("camera.rate", Allowed::Number(0.1, 240.0, "in frames a second")),
    rule("camera.timeout_s", Allowed::Number(0.2, 60.0, SECONDS)),
    rule("camera.command", Allowed::List),
    rule("camera.path", PATH),
    rule("camera.repeat", Allowed::Flag),
    rule("detect.model", MODEL),
    rule("detect.follow_model", MODEL),
    rule("detect.interval_s", Allowed::Number(0.05, 60.0, SECONDS)),
    rule("detect.min_score", Allowed::Number(0.01, 1.0, "")),
    rule(
        "detect.min_face_px",
        Allowed::Number(8.0, 4096.0, "in pixels of the frame"),
    ),
    rule("detect.lost_s", Allowed::Number(0.1, 60.0, SECONDS)),
    rule("expression.model", MODEL),
    rule("expression.rate", Allowed::Number(0.1, 120.0, "per second")),
    rule("expression.threads", Allowed::Whole(0, 8, "")),
    rule("smoothing.tau_s", Allowed::Number(0.0, 60.0, SECONDS)),
    rule("smoothing.va_tau_s", Allowed::Number(0.0, 60.0, SECONDS)),
    rule("smoothing.margin", Allowed::Number(0.0, 1.0, "")),
    rule("smoothing.dwell_s", Allowed::Number(0.0, 60.0, SECONDS)),
    rule("smoothing.floor", Allowed::Number(0.0, 1.0, "")),
    rule("smoothing.gap_s", Allowed::Number(0.1, 600.0, SECONDS)),
    rule("attention.yaw_deg", Allowed::Number(1.0, 90.0, DEGREES)),
    rule("attention.pitch_deg", Allowed::Number(1.0, 90.0, DEGREES)),
    rule("attention.hold_s", Allowed::Number(0.0, 60.0, SECONDS)),
    rule("visit.gap_s", Allowed::Number(0.0, 600.0, SECONDS)),
    rule("visit.present_s", Allowed::Number(0.0, 3600.0, SECONDS)),
    rule("visit.smile_s", Allowed::Number(0.0, 3600.0, SECONDS)),
    rule("publish.min_faces", Allowed::Whole(1, 8, "")),
    rule("publish.min_quality", Allowed::Number(0.0, 1.0, "")),
    rule(
        "mqtt.host",
        Allowed::Text(host, "a host name or address without port and scheme, or empty"),
    ),
    rule("mqtt.port", Allowed::Whole(0, 65535, "")),
    rule("mqtt.tls", Allowed::Flag),
    rule("mqtt.ca_file", FILE),
    rule("mqtt.username", Allowed::Text(username, "up to 256 characters")),
    rule("mqtt.password_file", FILE),
    rule("mqtt.base", TOPIC),
    rule("mqtt.discovery", Allowed::Flag),
    rule("mqtt.discovery_prefix", TOPIC),
    rule("mqtt.rate", Allowed::Number(0.1, 60.0, "per second")),
    rule("mqtt.refresh_s", Allowed::Number(1.0, 3600.0, SECONDS)),
    rule("mqtt.health_s", Allowed::Number(1.0, 3600.0, SECONDS)),
    rule(
        "gpio.chip",
        Allowed::Text(
            chip,
            "empty, a path that starts with /, or a label of up to 31 characters",
        ),
    ),
    rule("gpio.led", LINE),
    rule("gpio.led_lit", LEVEL),
    rule("gpio.switch", LINE),
    rule("gpio.switch_private", LEVEL),
    rule("gpio.switch_pull", Allowed::OneOf(&["up", "down", "none"])),
    rule("gpio.switch_debounce_s", Allowed::Number(0.0, 5.0, SECONDS)),
    rule("health.hot_c", Allowed::Number(30.0, 120.0, CELSIUS)),
    rule("health.cool_c", Allowed::Number(20.0, 119.0, CELSIUS)),
    rule("health.dwell_s", Allowed::Number(1.0, 3600.0, SECONDS)),
];

const SECONDS: &str = "in seconds";

const DEGREES: &str = "in degrees";

const CELSIUS: &str = "in degrees Celsius";

const LEVEL: Allowed = Allowed::OneOf(&["high", "low"]);

const LINE: Allowed = Allowed::NumberOrText(
    line,
    "empty, a number from 0 to 1023, or a name of up to 31 characters",
);

const PATH: Allowed = Allowed::Text(path, "a path, or empty");

const FILE: Allowed = Allowed::Text(
    |text| text.is_empty() || absolute(text),
    "a path that starts with /, or empty",
);

const MODEL: Allowed = Allowed::Text(
    model,
    "1 to 64 letters, digits, - _ and dots, the first a letter or digit",
);

const TOPIC: Allowed = Allowed::Text(
    topic,
    "a topic of up to 128 characters without + and #, not starting or ending with /",
);

const fn rule(key: &'static str, allowed: Allowed) -> Rule {
    Rule { key, allowed }
}

/// The longest path that Linux takes.
const MAX_PATH: usize = 4096;

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The characters that Home Assistant takes in a device's id.
fn device(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(plain)
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

/// A model's name is part of a file name: nothing in it may lead out of the folder.
fn model(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| plain(c) || c == '.')
}

/// Names, IPv4 and IPv6 addresses; a colon only where two are, as in every IPv6 address, so that `host:port` is refused.
fn host(text: &str) -> bool {
    let colons = text.matches(':').count();
    text.len() <= 253 && colons != 1 && text.chars().all(|c| plain(c) || c == '.' || c == ':' || c == '%')
}

fn username(text: &str) -> bool {
    text.chars().count() <= 256 && !text.contains(char::is_control)
}

/// MQTT 3.1.1, 4.7: no wildcards and no NUL in a topic that is published to.
fn topic(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.starts_with(['/', '$'])
        && !text.ends_with('/')
        && !text.contains(|c: char| c == '+' || c == '#' || c.is_control())
}
