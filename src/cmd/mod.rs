//! The subcommands, one file each.

pub mod model;
pub mod probe;
