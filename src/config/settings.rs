//! The typed settings. default.toml beside this file documents each with unit and range.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    camera_format::CameraFormat,
    deserialize::{one_or_more, optional_device, seconds},
    listen::Listen,
    names::{DeviceId, ModelName, TopicPrefix},
    rate::MessageRate,
};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of this device in topics and in Home Assistant; `None`: derived from the host's name.
    #[serde(deserialize_with = "optional_device")]
    pub device: Option<DeviceId>,
    /// Folder of the model manifests; empty: see [`Settings::models_dir`].
    pub models: PathBuf,
    /// Where frames come from.
    pub camera: Camera,
    /// Face detection and tracking.
    pub detect: Detect,
    /// The expression network.
    pub expression: Expression,
    /// Smoothing over time and hysteresis.
    pub smoothing: Smoothing,
    /// Whether a face looks towards the camera.
    pub attention: Attention,
    /// What counts as a visit.
    pub visit: Visit,
    /// Restrictions on what is published.
    pub publish: Publish,
    /// Where results go.
    pub mqtt: Mqtt,
    /// Live page, metrics and health over HTTP.
    pub http: Http,
    /// Activity LED and privacy switch.
    pub gpio: Gpio,
    /// Load shedding.
    pub health: Health,
}

/// Which source delivers frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A V4L2 camera.
    V4l2,
    /// A program (or standard input) that writes frames.
    Pipe,
    /// Pictures or a recorded clip.
    Files,
}

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Kind of source.
    pub source: SourceKind,
    /// V4L2: a device path, or `auto` for the first usable camera.
    pub device: String,
    /// V4L2: the requested format. Pipe: what the program writes.
    pub format: CameraFormat,
    /// Requested width in pixels.
    pub width: u32,
    /// Requested height in pixels.
    pub height: u32,
    /// Requested frames per second; for `files` the rate of the replay.
    pub rate: f32,
    /// A camera that delivers no frame for this long is stalled and is reopened.
    #[serde(rename = "timeout_s", deserialize_with = "seconds")]
    pub timeout: Duration,
    /// The same limit for the first frame after the start.
    #[serde(rename = "start_timeout_s", deserialize_with = "seconds")]
    pub start_timeout: Duration,
    /// Pipe, raw frames: bytes from one row to the next; 0 if rows have no padding.
    pub stride: u32,
    /// Rotates the picture clockwise by 0, 90, 180 or 270 degrees.
    pub rotate: u32,
    /// Mirrors the picture horizontally, after the rotation.
    pub mirror: bool,
    /// Horizontal field of view of the lens in degrees.
    pub fov_deg: f32,
    /// Pipe: program and arguments; `["-"]` reads standard input.
    pub command: Vec<String>,
    /// Files: a picture, a folder of pictures or a clip (.mjpeg, .y4m).
    pub path: PathBuf,
    /// Files: start again at the end.
    pub repeat: bool,
}

/// Face detection and tracking.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// The detector that searches the whole frame.
    pub model: ModelName,
    /// The detector that tracks each face within the region around it.
    pub follow_model: ModelName,
    /// Time between two searches of the whole frame.
    #[serde(rename = "interval_s", deserialize_with = "seconds")]
    pub interval: Duration,
    /// Time between two searches of the whole frame while nothing changes in it; less than `interval` counts
    /// as `interval`.
    #[serde(rename = "still_interval_s", deserialize_with = "seconds")]
    pub still_interval: Duration,
    /// Detections below this score are ignored, 0 to 1.
    pub min_score: f32,
    /// Faces whose box is narrower are ignored, in pixels of the frame.
    pub min_face_px: f32,
    /// A face that has not been detected for this long has left.
    #[serde(rename = "lost_s", deserialize_with = "seconds")]
    pub lost: Duration,
}

/// The expression network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// The expression model.
    pub model: ModelName,
    /// Maximum number of classifications per face per second.
    pub rate: f32,
    /// Classify the mirror image of each face too, if the model's manifest asks for it.
    pub mirror: bool,
    /// Number of inference threads, one face or mirrored face each; 0: one fewer than there are cores, at
    /// most 4.
    pub threads: usize,
}

/// Smoothing over time and hysteresis.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoothing {
    /// Time constant of the exponential mean of the probabilities; 0: no mean.
    #[serde(rename = "tau_s", deserialize_with = "seconds")]
    pub tau: Duration,
    /// Time constant of the exponential mean of valence and arousal; 0: no mean.
    #[serde(rename = "va_tau_s", deserialize_with = "seconds")]
    pub va_tau: Duration,
    /// How far a category's probability must exceed the published one's to replace it, 0 to 1.
    pub margin: f32,
    /// The published category is kept for at least this long.
    #[serde(rename = "dwell_s", deserialize_with = "seconds")]
    pub dwell: Duration,
    /// Below this probability the label is `uncertain`, 0 to 1.
    pub floor: f32,
    /// After this long without a classification the state is reset.
    #[serde(rename = "gap_s", deserialize_with = "seconds")]
    pub gap: Duration,
}

/// Whether a face looks towards the camera.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Largest estimated yaw to either side, degrees.
    pub yaw_deg: f32,
    /// Largest estimated pitch up or down, degrees.
    pub pitch_deg: f32,
    /// How long a face must look towards or away from the camera before that counts.
    #[serde(rename = "hold_s", deserialize_with = "seconds")]
    pub hold: Duration,
}

/// What counts as a visit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// A face that comes back to where one was lost within this time continues its visit.
    #[serde(rename = "gap_s", deserialize_with = "seconds")]
    pub gap: Duration,
    /// A visit is announced as present after this time.
    #[serde(rename = "present_s", deserialize_with = "seconds")]
    pub present: Duration,
    /// A visit counts as smiled once the face has smiled for this time.
    #[serde(rename = "smile_s", deserialize_with = "seconds")]
    pub smile: Duration,
}

/// Restrictions on what is published.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Results about fewer faces are withheld.
    pub min_faces: usize,
    /// A face whose crops are of lower quality on average is `uncertain`, 0 to 1.
    pub min_quality: f32,
}

/// The broker; without a host the messages go to standard output as JSON lines.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// Which version of MQTT to speak.
    pub version: MqttVersion,
    /// Host names, addresses or Unix sockets of brokers, tried in order; empty: standard output.
    #[serde(deserialize_with = "one_or_more")]
    pub host: Vec<String>,
    /// TCP port; 0: 8883 with TLS, 1883 without, and with WebSocket 443 and 80.
    pub port: u16,
    /// Use TLS.
    pub tls: bool,
    /// PEM file of the certificate authorities to trust; empty: the system's.
    pub ca_file: PathBuf,
    /// PEM file of this device's certificate and any intermediate certificates; empty: none.
    pub client_cert_file: PathBuf,
    /// PEM file of its private key.
    pub client_key_file: PathBuf,
    /// The name that the broker's certificate must contain; empty: the host.
    pub server_name: String,
    /// ALPN protocol to request in the TLS handshake; empty: none.
    pub alpn: String,
    /// Path of the broker's WebSocket; empty: no WebSocket.
    pub websocket_path: String,
    /// MQTT's client id; empty: `affectd-` and the device's name.
    pub client_id: String,
    /// User name; empty: none.
    pub username: String,
    /// File that holds the password; empty: none.
    pub password_file: PathBuf,
    /// First part of every topic.
    pub base: TopicPrefix,
    /// Publish a topic for each tracked face.
    pub faces: bool,
    /// Publish Home Assistant's device discovery; false withdraws the device.
    pub discovery: bool,
    /// Home Assistant's discovery prefix.
    pub discovery_prefix: TopicPrefix,
    /// Maximum rate of state messages.
    pub rate: MessageRate,
    /// Maximum rate of scene messages.
    pub scene_rate: MessageRate,
    /// Maximum rate of messages about one face.
    pub face_rate: MessageRate,
    /// Valence, arousal and probabilities that differ by less from the published values count as unchanged, 0
    /// to 1.
    pub dead_band: f32,
    /// An unchanged state is republished after this long, so subscribers can detect stale state.
    #[serde(rename = "refresh_s", deserialize_with = "seconds")]
    pub refresh: Duration,
    /// Time between two health messages.
    #[serde(rename = "health_s", deserialize_with = "seconds")]
    pub health: Duration,
}

/// Which version of MQTT to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MqttVersion {
    /// 5, or 3.1.1 if the broker does not support it.
    Auto,
    /// Only 5.
    V5,
    /// Only 3.1.1.
    V311,
}

impl MqttVersion {
    /// The allowed values of the setting.
    pub(super) const WORDS: [&str; 3] = ["auto", "5", "3.1.1"];
}

impl TryFrom<String> for MqttVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let [auto, v5, v311] = Self::WORDS;
        match text {
            text if text == auto => Ok(Self::Auto),
            text if text == v5 => Ok(Self::V5),
            text if text == v311 => Ok(Self::V311),
            text => Err(text),
        }
    }
}

/// Live page, metrics and health over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen, if anywhere.
    pub listen: Listen,
    /// File that holds the token that requests must carry; empty: none.
    pub token_file: PathBuf,
    /// PEM file of the server's certificate and any intermediate certificates; empty: no TLS.
    pub cert_file: PathBuf,
    /// PEM file of the certificate's private key; empty: no TLS.
    pub key_file: PathBuf,
}

/// A line of a GPIO chip as named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Line {
    /// Nothing is connected.
    Unused,
    /// By its number on the chip; on a Raspberry Pi's header the BCM number.
    Number(u32),
    /// By its name.
    Name(String),
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) if text.is_empty() => Self::Unused,
            Err(_) => Self::Name(text),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused => f.write_str("none"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// The electrical level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Supply voltage.
    High,
    /// Ground.
    Low,
}

/// The bias of an undriven input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// A resistor to the supply.
    Up,
    /// A resistor to ground.
    Down,
    /// No bias.
    None,
}

/// Activity LED and privacy switch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpio {
    /// Device file or label of the chip; empty: the header of a Raspberry Pi.
    pub chip: String,
    /// Line of the LED.
    pub led: Line,
    /// Level at which the LED is lit.
    pub led_lit: Level,
    /// Line of the switch.
    pub switch: Line,
    /// Level at which sensing stops.
    pub switch_private: Level,
    /// Bias of the switch's line.
    pub switch_pull: Pull,
    /// How long the switch must read off before sensing resumes.
    #[serde(rename = "switch_debounce_s", deserialize_with = "seconds")]
    pub switch_debounce: Duration,
}

/// Load shedding.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Load is shed from this temperature on, in degrees Celsius.
    pub hot_c: f32,
    /// Load is restored below this temperature, in degrees Celsius.
    pub cool_c: f32,
    /// Time between two steps.
    #[serde(rename = "dwell_s", deserialize_with = "seconds")]
    pub dwell: Duration,
}
