//! The panel thread: reads the privacy switch and shows by the light whether the camera is looking.

use std::{sync::Arc, time::Duration};

use super::{Figures, Sink};
use crate::{
    clock::Clock,
    gpio::{Debounce, Fittings, Panel},
    privacy::Switch,
    shutdown::Shutdown,
};

/// How often the switch is read: a person who throws it should see the light go out at once.
const POLL: Duration = Duration::from_millis(20);

/// Pause after a failure, in which a chip may come back; also between two looks at a light that should be as it was.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct PanelLoop {
    panel: Box<dyn Panel>,
    debounce: Option<Debounce>,
    has_light: bool,
    sink: Arc<dyn Sink>,
    figures: Arc<Figures>,
    clock: Arc<dyn Clock>,
    /// Raised when the camera has been closed.
    stop: Shutdown,
    /// What the switch said last, and when to read it again.
    switch: (Switch, Duration),
    /// What the light shows, as far as it is known, and when to set it again.
    light: (Light, Duration),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Light {
    Unknown,
    Failed,
    Is(bool),
}

/// What the switch says before it was read.
fn unread() -> Switch {
    Switch::Unreadable("it has not been read yet".to_owned())
}

impl PanelLoop {
    /// Nothing may be sensed until the switch, if there is one, has allowed it: `sink` knows when this returns.
    pub fn new(
        fittings: Fittings,
        sink: Arc<dyn Sink>,
        figures: Arc<Figures>,
        clock: Arc<dyn Clock>,
        stop: Shutdown,
    ) -> Self {
        let switch = if fittings.switch.is_some() {
            unread()
        } else {
            Switch::Off
        };
        sink.switch(&switch);
        figures.hear_switch(clock.now());
        Self {
            panel: fittings.panel,
            debounce: fittings.switch.map(Debounce::new),
            has_light: fittings.light,
            sink,
            figures,
            clock,
            stop,
            switch: (switch, Duration::ZERO),
            light: (Light::Unknown, Duration::ZERO),
        }
    }

    /// Runs until it is stopped, and leaves the light out.
    pub fn run(mut self) {
        loop {
            let stopped = self.stop.wait(POLL);
            let now = self.clock.now();
            if !stopped {
                self.read_switch(now);
            }
            self.show(now, !stopped && self.figures.is_sensing());
            if stopped {
                return;
            }
        }
    }

    fn read_switch(&mut self, now: Duration) {
        let Some(debounce) = &mut self.debounce else {
            return;
        };
        let (last, due) = &mut self.switch;
        if now >= *due {
            let read = self.panel.is_private();
            let private = debounce.update(now, read.as_ref().ok().copied());
            *due = now + if read.is_err() { RETRY } else { POLL };
            let switch = match read {
                Err(error) => Switch::Unreadable(error.to_string()),
                Ok(true) => Switch::On,
                // Not steady yet.
                Ok(false) if private => last.clone(),
                Ok(false) => Switch::Off,
            };
            log(last, &switch);
            *last = switch;
        }
        // Also when nothing is new: the supervisor may have spoken for a thread that did not answer.
        self.figures.hear_switch(now);
        self.sink.switch(last);
    }

    /// A light that fails is a pity, and no reason to stop.
    fn show(&mut self, now: Duration, lit: bool) {
        let (light, due) = self.light;
        let is_news = matches!(light, Light::Is(shown) if shown != lit) || light == Light::Unknown;
        if !self.has_light || (!is_news && now < due) {
            return;
        }
        self.light = match self.panel.light(lit) {
            // It is set anew now and then: its chip may have been away.
            Ok(()) => (Light::Is(lit), now + RETRY),
            Err(error) => {
                if light != Light::Failed {
                    tracing::warn!(reason = %error, "the light cannot be set, trying again");
                }
                (Light::Failed, now + RETRY)
            }
        };
    }
}

/// Says once what the switch has come to.
fn log(last: &Switch, new: &Switch) {
    match new {
        Switch::Unreadable(reason) if !matches!(last, Switch::Unreadable(_)) || *last == unread() => {
            tracing::warn!(reason, "the privacy switch cannot be read: nothing is sensed");
        }
        Switch::On if last != new => tracing::info!("the privacy switch is on"),
        Switch::Off if last != new => tracing::info!("the privacy switch is off"),
        _ => {}
    }
}
