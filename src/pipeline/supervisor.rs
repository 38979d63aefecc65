//! The calling thread: watches the other threads, feeds systemd's watchdog, sets the work rate and reports
//! the daemon's health.

use std::time::Duration;

use super::Context;
use crate::{
    capture::Slot,
    health::{Board, Governor, Metrics, Reading, Watchdog, WorkRate},
    privacy::Input,
};

/// How often to check the threads: well below the second within which a shutdown must complete.
const SUPERVISE: Duration = Duration::from_millis(100);

/// How often to read the board and to decide on the work rate.
const GOVERN: Duration = Duration::from_secs(1);

/// When the first health report is made: subscribers should not wait for a whole interval after a start.
const FIRST_REPORT: Duration = Duration::from_secs(2);

/// A privacy switch whose driver has not answered for this long cannot be relied on. A busy single-core board
/// was observed to delay the reading thread by more than a second.
const SWITCH_SILENCE: Duration = Duration::from_secs(4);

pub(super) struct Supervisor<'a> {
    context: &'a Context,
    watchdog: Watchdog,
    governor: Governor,
    board: Board,
    has_switch: bool,
    switch_is_silent: bool,
    health_interval: Duration,
    /// Time from the last report to the next one.
    next_report: Duration,
    governed: Governed,
    reported: Reported,
}

/// The last decision on the work rate.
struct Governed {
    at: Duration,
    /// The sensing thread's busy time until then.
    busy: Duration,
    /// The frames captured until then.
    captured: u64,
    /// The frames sensed until then.
    sensed: u64,
}

/// The last health report.
struct Reported {
    at: Duration,
    /// The frames sensed until then.
    sensed: u64,
}

impl<'a> Supervisor<'a> {
    pub fn new(
        context: &'a Context,
        governor: Governor,
        has_switch: bool,
        health_interval: Duration,
    ) -> Self {
        let now = context.clock.now();
        Self {
            context,
            watchdog: Watchdog::from_environment(),
            governor,
            board: Board::read(),
            has_switch,
            switch_is_silent: false,
            health_interval,
            next_report: health_interval.min(FIRST_REPORT),
            governed: Governed {
                at: now,
                busy: Duration::ZERO,
                captured: 0,
                sensed: 0,
            },
            reported: Reported { at: now, sensed: 0 },
        }
    }

    /// Returns when shutdown is raised or a thread has ended.
    pub fn watch(mut self, has_ended: impl Fn() -> bool) {
        let Context {
            metrics,
            camera,
            clock,
            requests,
            shutdown,
            ..
        } = self.context;
        self.watchdog.ready();
        while !has_ended() && !shutdown.wait(SUPERVISE) {
            let now = clock.now();
            metrics.note_progress(now);
            camera.check_opening(now);
            self.watchdog
                .feed(now, metrics.finished_frames(), metrics.is_idle());
            if self.has_switch {
                self.check_switch(now);
            }
            if now.saturating_sub(self.governed.at) >= GOVERN {
                self.govern(now);
            }
            let is_due = now.saturating_sub(self.reported.at) >= self.next_report;
            if requests.take_health() || is_due {
                self.report(now);
            }
            if requests.take_restart() {
                tracing::info!("stopping, to be started again");
                shutdown.raise();
            }
        }
        self.watchdog.stopping();
    }

    /// Closes the privacy gate if the switch's driver blocks.
    fn check_switch(&mut self, now: Duration) {
        let is_silent = now.saturating_sub(self.context.metrics.switch_answered()) >= SWITCH_SILENCE;
        if is_silent {
            let reason = "its driver does not answer";
            if !self.switch_is_silent {
                tracing::warn!(reason, "the privacy switch cannot be read: nothing is sensed");
            }
            self.context.gate.set_switch(Input::Unreadable(reason.to_owned()));
        }
        self.switch_is_silent = is_silent;
    }

    fn govern(&mut self, now: Duration) {
        let Context { metrics, slot, .. } = self.context;
        let elapsed = now - self.governed.at;
        let last = std::mem::replace(
            &mut self.governed,
            Governed {
                at: now,
                busy: metrics.busy_time(),
                captured: metrics.captured_frames(),
                sensed: metrics.sensed_frames(),
            },
        );
        let load = (self.governed.busy - last.busy).div_duration_f32(elapsed);
        let fps = |frames: u64| frames as f32 / elapsed.as_secs_f32();
        self.board = Board::read();
        let before = self.governor.work_rate();
        let rate = self.governor.update(now, &self.board, load);
        metrics.set_reading(Reading {
            board: self.board,
            work_rate: rate,
            captured_fps: fps(self.governed.captured - last.captured),
            sensed_fps: fps(self.governed.sensed - last.sensed),
            // A long frame is counted when it is finished.
            load: load.min(1.0),
            drops: drops(slot, metrics),
        });
        if rate.fraction == before.fraction {
            return;
        }
        metrics.set_rate_fraction(rate.fraction);
        let reason = rate.shed_reason.map(tracing::field::display);
        let (fraction, temperature) = (rate.fraction, self.board.temperature_c);
        if rate.fraction < before.fraction {
            tracing::warn!(fraction, reason, temperature, "shedding load");
        } else if rate == WorkRate::FULL {
            tracing::info!(temperature, "back to the full rate");
        } else {
            tracing::info!(fraction, temperature, "shedding less load");
        }
    }

    fn report(&mut self, now: Duration) {
        let Context {
            slot, sink, metrics, ..
        } = self.context;
        let sensed = metrics.sensed_frames();
        let elapsed = now.saturating_sub(self.reported.at).as_secs_f32().max(0.1);
        let fps = (sensed - self.reported.sensed) as f32 / elapsed;
        self.reported = Reported { at: now, sensed };
        self.next_report = self.health_interval;
        let work_rate = self.governor.work_rate();
        let health = metrics.health(fps, drops(slot, metrics), &self.board, work_rate, now);
        sink.health(&health);
    }
}

/// Frames dropped since the start.
fn drops(slot: &Slot, metrics: &Metrics) -> u64 {
    slot.dropped() + metrics.stale_frames() + metrics.lost_frames()
}
