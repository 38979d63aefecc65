//! Time limits of this machine, for the modules that this program shares with the emulated boards.

/// Factor on all time limits.
pub const TIMEOUT_FACTOR: u32 = 1;
