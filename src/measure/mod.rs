//! Measurements: benchmarks, latency, and the evaluation of models.

pub mod bench;
pub mod budgets;
pub mod clip;
pub mod evaluation;
pub mod latency;
pub mod player;
pub mod profile;
mod sustained;
pub mod table;
pub mod verify;
