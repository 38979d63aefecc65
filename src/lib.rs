//! affectd reads camera frames, follows the faces in them, and publishes their expression
//! (eight categories, valence, arousal) over MQTT. See README.md for the way of a frame.

pub mod capture;
pub mod clock;
pub mod config;
pub mod error;
pub mod picture;
pub mod publish;
pub mod sense;
