//! Shared fixtures: a broker, the daemon as a process, test models, a sensor.

pub mod broker;
pub mod clock;
pub mod daemon;
pub mod http;
pub mod models;
pub mod proxy;
pub mod publisher;
pub mod sensor;
pub mod watcher;
