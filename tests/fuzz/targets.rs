//! Fuzzing of everything that parses bytes from outside. One test is one target.
//!
//! `cargo test` checks each target on its corpus, on damaged copies of the corpus, and briefly on random
//! bytes. `make fuzz` runs the same targets guided by coverage; see run.py.
#![allow(clippy::unwrap_used)]
#![allow(unexpected_cfgs, reason = "rustc.sh sets fuzzing_libfuzzer")]

mod board;
mod broker;
mod camera;
mod config;
mod labels;
mod memory_file;
mod model;
mod picture;
mod stream;
mod target;
