//! The subcommands, one room each.

pub mod model;
