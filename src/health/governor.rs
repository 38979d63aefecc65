//! Sheds load before the board does so by itself. A board that throttles its clock, browns out or falls
//! behind its camera loses frames at random; the governor lowers the rates of detection and classification
//! instead. Pure code: the board's readings and their times are passed in.

use std::{fmt, time::Duration};

use super::Board;
use crate::config::Health;

/// The fraction of the full rate at each step. Each is about a third lower than the one before, so one step
/// is enough for a mild excess.
const FRACTIONS: [f32; 5] = [1.0, 0.7, 0.5, 0.35, 0.25];

/// A step up waits this many times longer than a step down: a board cools slowly, and undervoltage comes and
/// goes.
const STEP_UP_FACTOR: u32 = 3;

/// The sensing thread is overloaded while it is busy for at least this fraction of the time.
const OVERLOADED: f32 = 0.97;

/// A step up is possible if the sensing thread would then be busy for less than this fraction of the time.
const ROOM: f32 = 0.8;

/// Why load is shed, in order of decreasing severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedReason {
    /// The supply's voltage is too low.
    Undervoltage,
    /// The firmware has slowed the processor down.
    Throttled,
    /// The board is hotter than `health.hot_c`.
    Hot,
    /// Sensing is slower than the camera.
    Overload,
}

impl ShedReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Undervoltage, Self::Throttled, Self::Hot, Self::Overload];

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Undervoltage => "undervoltage",
            Self::Throttled => "throttled",
            Self::Hot => "hot",
            Self::Overload => "overload",
        }
    }
}

impl fmt::Display for ShedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undervoltage => "the supply's voltage is too low",
            Self::Throttled => "the firmware has slowed the processor down",
            Self::Hot => "the board is too hot",
            Self::Overload => "sensing is slower than the camera",
        })
    }
}

/// What the governor has decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkRate {
    /// The fraction of the full rate at which to work, 0.25 to 1.
    pub fraction: f32,
    /// The reason for the last step down; `None` at the full rate.
    pub shed_reason: Option<ShedReason>,
}

impl WorkRate {
    /// No load is shed.
    pub const FULL: Self = Self {
        fraction: FRACTIONS[0],
        shed_reason: None,
    };
}

impl Default for WorkRate {
    fn default() -> Self {
        Self::FULL
    }
}

/// Decides how much work to do.
#[derive(Debug)]
pub struct Governor {
    settings: Health,
    step: usize,
    shed_reason: Option<ShedReason>,
    /// When the step last changed; `None` before the first change.
    changed: Option<Duration>,
    /// Since when the sensing thread has been overloaded without interruption.
    overloaded: Option<Duration>,
    /// Since when a step up has been possible.
    relieved: Option<Duration>,
}

impl Governor {
    /// Starts at the full rate.
    #[must_use]
    pub fn new(settings: Health) -> Self {
        Self {
            settings,
            step: 0,
            shed_reason: None,
            changed: None,
            overloaded: None,
            relieved: None,
        }
    }

    /// Takes the board's readings at `now` and `load`, the fraction of the time since the last call for which
    /// the sensing thread was busy (0 to 1). Call it about once a second.
    pub fn update(&mut self, now: Duration, board: &Board, load: f32) -> WorkRate {
        let dwell = self.settings.dwell;
        let since = |start: Option<Duration>| start.map_or(Duration::ZERO, |start| now.saturating_sub(start));
        let hold = |start: &mut Option<Duration>, holds: bool| {
            *start = if holds { start.or(Some(now)) } else { None };
        };
        hold(&mut self.overloaded, load >= OVERLOADED);
        let overloaded = self.overloaded.is_some() && since(self.overloaded) >= dwell;
        let reason = self.reason_to_shed(board, overloaded);
        // Between `cool_c` and `hot_c` the step stays as it is.
        let is_relieved = reason.is_none() && self.is_cool(board) && self.has_room(load);
        hold(&mut self.relieved, is_relieved);

        let settled = self.changed.is_none() || since(self.changed) >= dwell;
        match reason {
            Some(reason) if self.step + 1 < FRACTIONS.len() && settled => {
                self.shed_reason = Some(reason);
                self.change(self.step + 1, now);
            }
            None if self.step > 0 && since(self.relieved) >= dwell * STEP_UP_FACTOR => {
                self.change(self.step - 1, now);
                if self.step == 0 {
                    self.shed_reason = None;
                }
            }
            _ => {}
        }
        self.work_rate()
    }

    /// The last decision.
    #[must_use]
    pub fn work_rate(&self) -> WorkRate {
        WorkRate {
            fraction: FRACTIONS[self.step],
            shed_reason: self.shed_reason,
        }
    }

    fn change(&mut self, step: usize, now: Duration) {
        self.step = step;
        self.changed = Some(now);
        self.relieved = None;
        // Overload must be seen again at the new rate.
        self.overloaded = None;
    }

    fn reason_to_shed(&self, board: &Board, overloaded: bool) -> Option<ShedReason> {
        let is_hot = board
            .temperature_c
            .is_some_and(|celsius| celsius >= self.settings.hot_c);
        if board.undervoltage == Some(true) {
            Some(ShedReason::Undervoltage)
        } else if board.is_throttled() {
            Some(ShedReason::Throttled)
        } else if is_hot {
            Some(ShedReason::Hot)
        } else {
            overloaded.then_some(ShedReason::Overload)
        }
    }

    fn is_cool(&self, board: &Board) -> bool {
        board
            .temperature_c
            .is_none_or(|celsius| celsius < self.settings.cool_c)
    }

    /// Whether the next higher rate would leave the sensing thread some idle time.
    fn has_room(&self, load: f32) -> bool {
        let higher = FRACTIONS[self.step.saturating_sub(1)];
        load * higher / FRACTIONS[self.step] < ROOM
    }
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
