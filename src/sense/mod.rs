//! Senses faces: pictures and their times go in, reports come out.
//!
//! All modules but [`engine`] are deterministic given the networks' outputs: they open nothing, never sleep
//! and read no clock. [`engine`] loads the networks and runs them in threads.

pub mod alignment;
pub mod appearance;
pub mod attention;
pub mod cached_classification;
pub mod classify;
pub mod crop;
pub mod crop_quality;
pub mod detect;
pub mod detection;
pub mod distance;
pub mod engine;
pub mod explained;
pub mod face;
pub mod face_tracker;
pub mod follow;
pub mod frame_quality;
pub mod geometry;
pub mod input;
mod intervals;
pub mod motion;
mod outputs;
pub mod rate;
pub mod region;
pub mod report;
pub mod resample;
pub mod scene;
pub mod schedule;
pub mod search;
mod sensor;
pub mod smooth;
pub mod track;
mod track_state;
pub mod visit;
pub mod visit_counters;
pub mod visits;

pub use sensor::{Admission, FrameTime, Sensor};
