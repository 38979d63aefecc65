//! The pure part: frames and a clock go in, reports come out. It opens no device and sleeps nowhere.

mod crew;
pub mod crop;
pub mod detect;
pub mod expression;
pub mod face;
pub mod follow;
pub mod geometry;
mod outputs;
pub mod pace;
pub mod resample;
pub mod search;
pub mod sensor;
pub mod smooth;
pub mod square;
pub mod track;

pub use sensor::Sensor;
