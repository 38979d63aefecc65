//! The calling thread: watches over the others, feeds systemd's watchdog, sets the pace and tells of the daemon's health.

use std::time::Duration;

use super::{Figures, Sink};
use crate::{
    capture::Slot,
    clock::Clock,
    error::Failure,
    health::{Board, Governor, Pace, Watchdog},
    privacy::Switch,
    shutdown::Shutdown,
};

/// How often to look around: well below the second in which a shutdown must be done.
const SUPERVISE: Duration = Duration::from_millis(100);

/// How often to read the board's figures and to decide on the pace.
const GOVERN: Duration = Duration::from_secs(1);

/// A privacy switch whose driver does not come back for so long cannot be relied on. A board with one core that is
/// busy with other things was seen to keep the reading thread waiting for more than a second.
const SWITCH_SILENCE: Duration = Duration::from_secs(4);

/// Watches over the threads: health messages, the watchdog, the reasons to end.
pub(super) struct Supervisor<'a> {
    sink: &'a dyn Sink,
    figures: &'a Figures,
    clock: &'a dyn Clock,
    watchdog: Watchdog,
    governor: Governor,
    board: Board,
    has_switch: bool,
    silent: bool,
    health_every: Duration,
    /// When the pace was decided on last, and the sensing thread's work until then.
    governed: (Duration, Duration),
    /// When health was told last, and the frames sensed until then.
    reported: (Duration, u64),
}

impl<'a> Supervisor<'a> {
    pub fn new(
        sink: &'a dyn Sink,
        figures: &'a Figures,
        clock: &'a dyn Clock,
        governor: Governor,
        has_switch: bool,
        health_every: Duration,
    ) -> Self {
        let now = clock.now();
        Self {
            sink,
            figures,
            clock,
            watchdog: Watchdog::from_environment(),
            governor,
            board: Board::read(),
            has_switch,
            silent: false,
            health_every,
            governed: (now, Duration::ZERO),
            reported: (now, 0),
        }
    }

    /// Returns when shutdown is raised, a thread has ended, or the sink has given up.
    pub fn watch(
        &mut self,
        shutdown: &Shutdown,
        ended: impl Fn() -> bool,
        slot: &Slot,
    ) -> Result<(), Failure> {
        self.watchdog.ready();
        while !ended() && !shutdown.wait(SUPERVISE) {
            if let Some(failure) = self.sink.failure() {
                return Err(failure);
            }
            let now = self.clock.now();
            self.watchdog
                .feed(now, self.figures.finished_frames(), !self.figures.is_sensing());
            if self.has_switch {
                self.mind_switch(now);
            }
            if now.saturating_sub(self.governed.0) >= GOVERN {
                self.govern(now);
            }
            if now.saturating_sub(self.reported.0) >= self.health_every {
                self.report(now, slot.dropped());
            }
        }
        self.watchdog.stopping();
        Ok(())
    }

    /// Speaks for a switch whose driver blocks.
    fn mind_switch(&mut self, now: Duration) {
        let silent = now.saturating_sub(self.figures.heard_switch()) >= SWITCH_SILENCE;
        if silent {
            let reason = "its driver does not answer";
            if !self.silent {
                tracing::warn!(reason, "the privacy switch cannot be read: nothing is sensed");
            }
            self.sink.switch(&Switch::Unreadable(reason.to_owned()));
        }
        self.silent = silent;
    }

    fn govern(&mut self, now: Duration) {
        let worked = self.figures.worked();
        let load = (worked - self.governed.1).div_duration_f32(now - self.governed.0);
        self.governed = (now, worked);
        self.board = Board::read();
        let before = self.governor.pace();
        let pace = self.governor.update(now, &self.board, load);
        if pace.kept == before.kept {
            return;
        }
        self.figures.set_kept(pace.kept);
        let strain = pace.strain.map(tracing::field::display);
        let (kept, temperature) = (pace.kept, self.board.temperature_c);
        if pace.kept < before.kept {
            tracing::warn!(kept, strain, temperature, "leaving out part of the work");
        } else if pace == Pace::FULL {
            tracing::info!(temperature, "working at the full rate again");
        } else {
            tracing::info!(kept, temperature, "taking up part of the work again");
        }
    }

    fn report(&mut self, now: Duration, drops: u64) {
        let sensed = self.figures.sensed_frames();
        let since = now.saturating_sub(self.reported.0).as_secs_f32();
        let fps = (sensed - self.reported.1) as f32 / since;
        self.reported = (now, sensed);
        let health = self
            .figures
            .health(fps, drops, &self.board, self.governor.pace(), now);
        self.sink.health(&health);
    }
}
