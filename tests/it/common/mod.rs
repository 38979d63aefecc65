//! Shared fixtures: a broker, the daemon as a process, test models, a sensor.

pub mod broker;
pub mod clock;
pub mod daemon;
pub mod models;
pub mod publisher;
pub mod sensor;
