//! affectd reads camera frames, follows the faces in them, and publishes their expression
//! (eight categories, valence, arousal) over MQTT. See README.md for the way of a frame.

pub mod capture;
pub mod category;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod error;
pub mod file;
pub mod gpio;
pub mod health;
pub mod infer;
pub mod model;
pub mod picture;
pub mod pipeline;
pub mod privacy;
pub mod publish;
pub mod sense;
pub mod shutdown;
pub mod text;
