//! Settings: the built-in defaults, a TOML file, the environment and the command line, in that order.

mod settings;

pub use settings::{Camera, Detect, Expression, Mqtt, Settings, Smoothing, SourceKind};
