//! The GPIO thread: reads the privacy switch, and shows with the LED whether the camera is open.

use std::time::Duration;

use super::Context;
use crate::{
    gpio::{Debounce, GpioConfigured, PrivacyIo},
    privacy::Input,
    shutdown::Shutdown,
};

/// How often the switch is read: the LED should go out at once when a person throws the switch.
const POLL: Duration = Duration::from_millis(20);

/// Pause after a failure, during which a chip may come back; also how often an unchanged LED is set again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a blinking LED is lit, and how long it is dark.
const BLINK: Duration = Duration::from_millis(250);

/// How long the LED flashes to identify the device.
const IDENTIFY: Duration = Duration::from_secs(10);

/// Length of a flash, and of the pause between the two flashes of each second. They must not be mistaken for
/// blinking.
const FLASH: Duration = Duration::from_millis(100);

pub(super) struct GpioLoop {
    io: Box<dyn PrivacyIo>,
    context: Context,
    /// Raised when the camera has been closed.
    stop: Shutdown,
    switch: Option<Switch>,
    led: Option<Led>,
    /// When the device was last asked to identify itself, while the LED blinks.
    identify: Option<Duration>,
}

struct Switch {
    debounce: Debounce,
    /// The state that it last reported.
    state: Input,
    /// When to read it again.
    due: Duration,
}

struct Led {
    /// The state that it is known to show; `None` before the first success and after a failure.
    lit: Option<bool>,
    /// Whether setting it failed last time: a repeated failure is not logged.
    failed: bool,
    /// When to set it again, even if nothing has changed.
    due: Duration,
}

impl GpioLoop {
    pub fn new(gpio: GpioConfigured, context: Context, stop: Shutdown) -> Self {
        context.metrics.record_switch_answer(context.clock.now());
        Self {
            io: gpio.io,
            context,
            stop,
            switch: gpio.debounce.map(|debounce| Switch {
                debounce: Debounce::new(debounce),
                state: Input::Unknown,
                due: Duration::ZERO,
            }),
            led: gpio.has_led.then_some(Led {
                lit: None,
                failed: false,
                due: Duration::ZERO,
            }),
            identify: None,
        }
    }

    /// Runs until it is stopped, and leaves the LED off.
    pub fn run(mut self) {
        loop {
            let stopped = self.stop.wait(POLL);
            let now = self.context.clock.now();
            if !stopped {
                self.read_switch(now);
            }
            let lit = self.context.metrics.is_camera_open() && self.is_blink_on(now);
            let flashes = self.flashes(now);
            self.set_led(now, !stopped && (lit != flashes));
            if stopped {
                return;
            }
        }
    }

    /// Whether the LED is inverted for a moment because the device was asked to identify itself: two flashes
    /// per second.
    fn flashes(&mut self, now: Duration) -> bool {
        if self.context.requests.take_identify() {
            self.identify = Some(now);
        }
        let Some(elapsed) = self.identify.map(|since| now.saturating_sub(since)) else {
            return false;
        };
        if elapsed >= IDENTIFY {
            self.identify = None;
            return false;
        }
        // Blinking takes precedence: it shows that a picture is being sent.
        let part = elapsed.as_millis() % 1000 / FLASH.as_millis();
        [0, 2].contains(&part) && !self.context.preview.is_sending(now)
    }

    /// Whether the LED may be lit: it blinks while a picture is being sent for aiming.
    fn is_blink_on(&self, now: Duration) -> bool {
        let is_second_half = now.as_millis() / BLINK.as_millis() % 2 == 1;
        !self.context.preview.is_sending(now) || is_second_half
    }

    fn read_switch(&mut self, now: Duration) {
        let Some(switch) = &mut self.switch else {
            return;
        };
        if now >= switch.due {
            let read = self.io.is_private();
            let is_private = switch.debounce.update(now, read.as_ref().ok().copied());
            switch.due = now + if read.is_err() { RETRY } else { POLL };
            let state = match read {
                Err(error) => Input::Unreadable(error.to_string()),
                Ok(true) => Input::On,
                // Not steady yet.
                Ok(false) if is_private => switch.state.clone(),
                Ok(false) => Input::Off,
            };
            log_change(&switch.state, &state);
            switch.state = state;
        }
        // Done even if nothing is new: the supervisor may have set the state for a driver that did not
        // answer.
        self.context.metrics.record_switch_answer(now);
        self.context.gate.set_switch(switch.state.clone());
    }

    /// Sets the LED when it must change, and again from time to time, because its chip may have been gone. An
    /// LED failure is not fatal.
    fn set_led(&mut self, now: Duration, lit: bool) {
        let Some(led) = &mut self.led else {
            return;
        };
        let must_change = led.lit.is_some_and(|shown| shown != lit);
        if !must_change && now < led.due {
            return;
        }
        let result = self.io.set_led(lit);
        if let Err(error) = &result
            && !led.failed
        {
            tracing::warn!(reason = %error, "the LED cannot be set, trying again");
        }
        led.failed = result.is_err();
        led.lit = result.is_ok().then_some(lit);
        led.due = now + RETRY;
    }
}

/// Logs the switch's state when its kind has changed.
fn log_change(last: &Input, new: &Input) {
    if std::mem::discriminant(last) == std::mem::discriminant(new) {
        return;
    }
    match new {
        Input::Unknown => {}
        Input::On => tracing::info!("the privacy switch is on"),
        Input::Off => tracing::info!("the privacy switch is off"),
        Input::Unreadable(reason) => {
            tracing::warn!(reason, "the privacy switch cannot be read: nothing is sensed");
        }
    }
}
