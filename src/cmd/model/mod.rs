//! `affectd model`: verifies models and measures their accuracy with the daemon's own runtime.

mod circumplex;
mod eval;
mod metrics;
mod verify;

pub use eval::eval;
pub use verify::verify;
