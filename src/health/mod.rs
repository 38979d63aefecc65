//! What the daemon knows of its own condition, and how it tells systemd.

pub mod board;
pub mod governor;
pub mod stage;
pub mod watchdog;

pub use board::Board;
pub use governor::{Governor, Pace, Strain};
pub use stage::{Stage, StageTimes, Summary};
pub use watchdog::Watchdog;
