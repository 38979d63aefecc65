//! The daemon's own condition, and how it is reported to systemd.

pub mod board;
mod broker_link;
pub mod governor;
pub mod hardware;
pub mod machine;
mod metrics;
mod progress;
pub mod snapshot;
pub mod stage;
mod stage_totals;
mod sysfs;
pub mod watchdog;

pub use board::Board;
pub use broker_link::{BrokerLink, LinkState};
pub use governor::{Governor, ShedReason, WorkRate};
pub use hardware::Hardware;
pub use machine::{Machine, clock_mhz};
pub use metrics::{Metrics, Reading};
pub use snapshot::{Health, StageLatency};
pub use stage::{Stage, StageTimes, Summary};
pub use stage_totals::{StageTotal, StageTotals};
pub use watchdog::Watchdog;
