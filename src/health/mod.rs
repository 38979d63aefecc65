//! What the daemon knows of its own condition.

pub mod stage;
