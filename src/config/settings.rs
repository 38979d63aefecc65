//! The typed settings. default.toml beside this file documents each with unit and range.

use std::{fmt, path::PathBuf};

use serde::Deserialize;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of this device in topics and in Home Assistant; empty: the host's name.
    pub device: String,
    /// Folder of the model manifests; empty: `/usr/share/affectd/models`, or `models` beside the program's source.
    pub models: PathBuf,
    /// Where frames come from.
    pub camera: Camera,
    /// Finding and following faces.
    pub detect: Detect,
    /// The expression network.
    pub expression: Expression,
    /// Means over time and hysteresis.
    pub smoothing: Smoothing,
    /// Whether a face looks towards the camera.
    pub attention: Attention,
    /// What counts as a visit.
    pub visit: Visit,
    /// What is published about whom.
    pub publish: Publish,
    /// Where results go.
    pub mqtt: Mqtt,
    /// Activity light and privacy switch.
    pub gpio: Gpio,
    /// When work is left out.
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
    /// V4L2: `auto` or a four-character code. Pipe: `mjpeg`, `y4m` or a raw layout's code.
    pub format: String,
    /// Wished width in pixels.
    pub width: u32,
    /// Wished height in pixels.
    pub height: u32,
    /// Wished frames a second; for `files` the rate of the replay.
    pub rate: f32,
    /// A camera that gives no frame for so many seconds is stalled and opened again.
    pub timeout_s: f32,
    /// Pipe: program and arguments; `["-"]` reads standard input.
    pub command: Vec<String>,
    /// Files: a picture, a folder of pictures or a clip (.mjpeg, .y4m).
    pub path: PathBuf,
    /// Files: start again at the end.
    pub repeat: bool,
}

/// Finding and following faces.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Manifest name of the detector that searches the whole picture.
    pub model: String,
    /// Manifest name of the detector that follows each face on its own surroundings.
    pub follow_model: String,
    /// Seconds between two searches of the whole picture.
    pub interval_s: f32,
    /// Detections below this score are ignored, 0 to 1.
    pub min_score: f32,
    /// Faces whose box is narrower are ignored, in pixels of the frame.
    pub min_face_px: f32,
    /// A face not seen for so many seconds has left.
    pub lost_s: f32,
}

/// The expression network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// Manifest name of the model.
    pub model: String,
    /// Most classifications a second of one face.
    pub rate: f32,
    /// Faces, or mirror images of them, that are read at the same time; 0: as many as there are cores but one, at most four.
    pub threads: usize,
}

/// Means over time and hysteresis.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoothing {
    /// Time constant of the exponential mean of probabilities, seconds.
    pub tau_s: f32,
    /// Time constant of the mean of valence and arousal, seconds.
    pub va_tau_s: f32,
    /// How far a new category must lie above the held one to replace it, 0 to 1.
    pub margin: f32,
    /// A category is held at least so many seconds.
    pub dwell_s: f32,
    /// Below this probability the label is `uncertain`, 0 to 1.
    pub floor: f32,
    /// After so many seconds without a reading the state starts anew.
    pub gap_s: f32,
}

/// Whether a face looks towards the camera.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Largest estimated yaw to either side, degrees.
    pub yaw_deg: f32,
    /// Largest estimated pitch up or down, degrees.
    pub pitch_deg: f32,
    /// How long a face must look towards or away from the camera before that counts, seconds.
    pub hold_s: f32,
}

/// What counts as a visit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// A face that comes back to where one was lost within this time continues its visit, seconds.
    pub gap_s: f32,
    /// A visit is announced as present after this time, seconds.
    pub present_s: f32,
    /// A visit counts as smiled after smiling for this time, seconds.
    pub smile_s: f32,
}

/// What is published about whom.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Whatever is about fewer faces is withheld.
    pub min_faces: usize,
    /// A face whose crops are of lower quality on average is `uncertain`, 0 to 1.
    pub min_quality: f32,
}

/// The broker; without a host the messages go to standard output as JSON lines.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// Host name or address; empty: standard output.
    pub host: String,
    /// TCP port; 0: 8883 with TLS, 1883 without.
    pub port: u16,
    /// Use TLS.
    pub tls: bool,
    /// PEM file of the authorities to trust; empty: the system's.
    pub ca_file: PathBuf,
    /// User name; empty: none.
    pub username: String,
    /// File that holds the password; empty: none.
    pub password_file: PathBuf,
    /// First part of every topic.
    pub base: String,
    /// Publish Home Assistant's device discovery.
    pub discovery: bool,
    /// Home Assistant's discovery prefix.
    pub discovery_prefix: String,
    /// Most state and face messages a second, each topic.
    pub rate: f32,
    /// An unchanged state is published again after so many seconds, so that a subscriber can tell fresh from stale.
    pub refresh_s: f32,
    /// Seconds between two health messages.
    pub health_s: f32,
}

/// A line of a GPIO chip as a person names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Line {
    /// None: what would be there is not.
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

/// What holds an input that nothing drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// A resistor to the supply.
    Up,
    /// A resistor to ground.
    Down,
    /// Nothing on the chip's side.
    None,
}

/// Activity light and privacy switch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpio {
    /// Device file or label of the chip; empty: the header of a Raspberry Pi.
    pub chip: String,
    /// Line of the light.
    pub led: Line,
    /// Level that lights it.
    pub led_lit: Level,
    /// Line of the switch.
    pub switch: Line,
    /// Level at which sensing stops.
    pub switch_private: Level,
    /// What holds the switch's line while the contact is open.
    pub switch_pull: Pull,
    /// Seconds that the switch must allow sensing before it begins again.
    pub switch_debounce_s: f32,
}

/// When work is left out.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// From this temperature on, work is left out, degrees Celsius.
    pub hot_c: f32,
    /// Below this one it is taken up again, degrees Celsius.
    pub cool_c: f32,
    /// Seconds between two steps.
    pub dwell_s: f32,
}
