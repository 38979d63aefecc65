//! Measuring equipment: benchmarks, latency, and the evaluation of models.

pub mod bench;
mod budgets;
pub mod clip;
pub mod evaluation;
pub mod latency;
mod player;
pub mod profile;
mod sustained;
pub mod table;
pub mod verify;

use std::io;

use crate::{
    error::{Exit, Failure},
    model::ModelError,
};

fn unusable(error: ModelError) -> Failure {
    Failure::new(Exit::Input, error)
}

fn unwritable(error: io::Error) -> Failure {
    Failure::new(
        Exit::Software,
        anyhow::Error::new(error).context("cannot write the result"),
    )
}
