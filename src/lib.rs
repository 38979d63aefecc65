#![doc = include_str!("../docs/design/architecture.md")]
#![forbid(unsafe_code)]

pub mod analyze;
pub mod capture;
pub mod category;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod error;
pub mod file;
pub mod gpio;
pub mod health;
pub mod http;
pub mod interrupt;
pub mod json;
pub mod logging;
pub mod measure;
pub mod model;
pub mod picture;
pub mod pipeline;
pub mod preview;
pub mod privacy;
pub mod publish;
pub mod sense;
pub mod shutdown;
pub mod text;
pub mod top;
