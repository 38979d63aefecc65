//! Shared fixtures: a broker, the daemon as a process, test models, a sensor.

pub mod broker;
pub mod daemon;
pub mod http;
pub mod models;
pub mod proxy;
pub mod publisher;
pub mod schemas;
pub mod sensor;
mod validate;
pub mod watcher;
