//! The daemon's own condition, and how it is reported to systemd.

pub mod board;
pub mod governor;
pub mod machine;
pub mod snapshot;
pub mod stage;
pub mod watchdog;

pub use board::Board;
pub use governor::{Governor, ThrottleReason, WorkRate};
pub use machine::{Machine, clock_mhz};
pub use snapshot::{Health, StageLatency};
pub use stage::{Stage, StageTimes, Summary};
pub use watchdog::Watchdog;
