//! `affectd model`: proves models and measures their accuracy with the daemon's own runtime.

mod circumplex;
mod eval;
mod metrics;
mod verify;

pub use eval::eval;
pub use verify::verify;

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
