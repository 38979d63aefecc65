//! What the daemon knows of its own condition, and how it tells systemd.

pub mod board;
pub mod governor;
pub mod machine;
pub mod stage;
pub mod watchdog;

pub use board::Board;
pub use governor::{Governor, Pace, Strain};
pub use machine::{Machine, clock_mhz};
pub use stage::{Stage, StageTimes, Summary};
pub use watchdog::Watchdog;
