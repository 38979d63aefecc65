//! Shared fixtures: a broker, the daemon as a process, test models, a sensor, generated recordings.

pub mod broker;
pub mod clock;
pub mod daemon;
pub mod http;
pub mod models;
pub mod proxy;
pub mod publisher;
pub mod schemas;
pub mod sensor;
pub mod stage;
mod validate;
pub mod watcher;
