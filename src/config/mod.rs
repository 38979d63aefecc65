//! Settings: the built-in defaults, a TOML file, the environment and the command line, in ascending order of
//! precedence. Also the reader for TOML that model manifests and board budgets share.

mod camera_format;
mod conflicts;
mod constraint;
mod deserialize;
mod diagnostic;
mod document;
mod environment;
mod layer;
mod listen;
mod load;
mod names;
mod paths;
mod rate;
mod rules;
mod settings;
mod suggest;
mod table;
mod value;

pub use camera_format::CameraFormat;
pub use diagnostic::{ConfigError, Diagnostic, Origin};
pub use document::Document;
pub use layer::Override;
pub use listen::{Listen, Place};
pub use load::{DEFAULT_FILE, DEFAULT_TOML, Loaded, Sources, load, stack};
pub use names::{DeviceId, InvalidName, ModelName, TopicPrefix};
pub use paths::NoModels;
pub use rate::{InvalidRate, MessageRate};
pub use settings::{
    Attention, Camera, Detect, Expression, Gpio, Health, Http, Level, Line, Mqtt, MqttVersion, Publish, Pull,
    Settings, Smoothing, SourceKind, Visit,
};
pub use table::{Table, float};
pub use value::Value;

#[cfg(test)]
mod tests;
