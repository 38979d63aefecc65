//! Settings: the built-in defaults, a TOML file, the environment and the command line, in that order.

mod conflicts;
mod layer;
mod load;
mod nearest;
mod places;
mod problem;
mod rules;
mod settings;
mod value;

pub use layer::Override;
pub use load::{DEFAULT_FILE, DEFAULT_TOML, Loaded, Sources, load, stack};
pub use problem::{Invalid, Place, Problem};
pub use settings::{
    Attention, Camera, Detect, Expression, Gpio, Health, Level, Line, Mqtt, Publish, Pull, Settings,
    Smoothing, SourceKind, Visit,
};

#[cfg(test)]
mod tests;
