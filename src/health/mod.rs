//! What the daemon knows of its own condition.

mod stage;

pub use stage::{Stage, StageTimes, Summary};
