//! Leaves out part of the work before the board does so by itself: a board that throttles its clock, browns out or
//! falls behind its camera loses frames at random; this one loses searches and readings by plan. Pure: the board's
//! figures and their time go in.

use std::{fmt, time::Duration};

use super::Board;
use crate::config::Health;

/// The part of the full rate that is kept at each step. Each leaves out about a third of the one before, so that one
/// is enough for a mild excess.
const KEPT: [f32; 5] = [1.0, 0.7, 0.5, 0.35, 0.25];

/// A step back up waits so many times longer than a step down: heat is gone slowly, and undervoltage comes and goes.
const PATIENCE: u32 = 3;

/// The sensing thread is overloaded when it works for this part of the time ...
const OVERLOADED: f32 = 0.97;
/// ... and has room for a step back up where it would then work for less than this.
const ROOM: f32 = 0.8;

/// Why work is left out, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strain {
    /// The supply's voltage is too low.
    Undervoltage,
    /// The firmware has slowed the processor down.
    Throttled,
    /// The board is hotter than `health.hot_c`.
    Hot,
    /// Sensing is slower than the camera.
    Overload,
}

impl Strain {
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

impl fmt::Display for Strain {
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
pub struct Pace {
    /// The part of the full rate at which to work, 0.25 to 1.
    pub kept: f32,
    /// Why not the full rate; the strain that led to the last step down.
    pub strain: Option<Strain>,
}

impl Pace {
    /// Nothing is left out.
    pub const FULL: Self = Self {
        kept: KEPT[0],
        strain: None,
    };
}

/// Decides how much work to do.
#[derive(Debug)]
pub struct Governor {
    settings: Health,
    step: usize,
    strain: Option<Strain>,
    /// When the step was changed last; `None` before the first change.
    changed: Option<Duration>,
    /// Since when the sensing thread has been overloaded without a pause.
    overloaded: Option<Duration>,
    /// Since when there has been no reason to stay at this step.
    relieved: Option<Duration>,
}

impl Governor {
    /// Begins with the full rate.
    #[must_use]
    pub fn new(settings: Health) -> Self {
        Self {
            settings,
            step: 0,
            strain: None,
            changed: None,
            overloaded: None,
            relieved: None,
        }
    }

    /// Takes the figures of time `now`: the board's, and the part of the time since the last call that the sensing
    /// thread has worked for, 0 to 1. To be called about once a second.
    pub fn update(&mut self, now: Duration, board: &Board, load: f32) -> Pace {
        let dwell = self.settings.dwell;
        let since = |start: Option<Duration>| start.map_or(Duration::ZERO, |start| now.saturating_sub(start));
        let hold = |start: &mut Option<Duration>, holds: bool| match holds {
            true => *start = start.or(Some(now)),
            false => *start = None,
        };
        hold(&mut self.overloaded, load >= OVERLOADED);
        let overloaded = self.overloaded.is_some() && since(self.overloaded) >= dwell;
        let strain = self.strain(board, overloaded);
        // A board that is neither hot nor cool stays where it is.
        let is_relieved = strain.is_none() && self.is_cool(board) && self.has_room(load);
        hold(&mut self.relieved, is_relieved);

        let settled = self.changed.is_none() || since(self.changed) >= dwell;
        match strain {
            Some(strain) if self.step + 1 < KEPT.len() && settled => {
                self.strain = Some(strain);
                self.change(self.step + 1, now);
            }
            None if self.step > 0 && since(self.relieved) >= dwell * PATIENCE => {
                self.change(self.step - 1, now);
                if self.step == 0 {
                    self.strain = None;
                }
            }
            _ => {}
        }
        self.pace()
    }

    /// What was decided last.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            kept: KEPT[self.step],
            strain: self.strain,
        }
    }

    fn change(&mut self, step: usize, now: Duration) {
        self.step = step;
        self.changed = Some(now);
        self.relieved = None;
        // Overload is judged anew at each rate.
        self.overloaded = None;
    }

    fn strain(&self, board: &Board, overloaded: bool) -> Option<Strain> {
        let is_hot = board
            .temperature_c
            .is_some_and(|celsius| celsius >= self.settings.hot_c);
        if board.undervoltage == Some(true) {
            Some(Strain::Undervoltage)
        } else if board.is_throttled() {
            Some(Strain::Throttled)
        } else if is_hot {
            Some(Strain::Hot)
        } else {
            overloaded.then_some(Strain::Overload)
        }
    }

    fn is_cool(&self, board: &Board) -> bool {
        board
            .temperature_c
            .is_none_or(|celsius| celsius < self.settings.cool_c)
    }

    /// Whether the next higher rate would leave the sensing thread some time.
    fn has_room(&self, load: f32) -> bool {
        let higher = KEPT[self.step.saturating_sub(1)];
        load * higher / KEPT[self.step] < ROOM
    }
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
