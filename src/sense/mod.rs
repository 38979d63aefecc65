//! The pure part: frames and a clock go in, reports come out. It opens no device and sleeps nowhere.

pub mod crop;
pub mod expression;
pub mod face;
pub mod geometry;
pub mod resample;
pub mod square;
