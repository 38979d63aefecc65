//! The header of a Raspberry Pi, by rppal.

use rppal::{
    gpio::{Bias, Gpio as Header, IoPin, Level as Reading, Mode, OutputPin},
    system::DeviceInfo,
};

use super::{GpioError, LED, Panel, SWITCH, with};
use crate::config::{Gpio, Level, Line, Pull};

/// Light and switch on pins of the header.
pub(super) struct HeaderPanel {
    settings: Gpio,
    led: Option<Light>,
    switch: Option<IoPin>,
}

impl HeaderPanel {
    /// Whether this board has the header, and rppal knows it.
    pub fn is_here() -> bool {
        DeviceInfo::new().is_ok()
    }

    pub fn new(settings: &Gpio) -> Self {
        Self {
            settings: settings.clone(),
            led: None,
            switch: None,
        }
    }
}

impl Panel for HeaderPanel {
    fn is_private(&mut self) -> Result<bool, GpioError> {
        let Gpio {
            switch,
            switch_pull,
            switch_private,
            ..
        } = &self.settings;
        let open = || {
            let (header, number) = pin(SWITCH, switch)?;
            let mut pin = header
                .get(number)
                .map_err(|error| unusable(SWITCH, number, error))?
                .into_io(Mode::Input);
            pin.set_bias(match switch_pull {
                Pull::Up => Bias::PullUp,
                Pull::Down => Bias::PullDown,
                Pull::None => Bias::Off,
            });
            Ok(pin)
        };
        with(&mut self.switch, open, |pin| {
            // Registers can always be read: what tells is whether the pin still is what it was made.
            if pin.mode() != Mode::Input {
                let error = format!("another program has made it {}", pin.mode());
                return Err(unusable(SWITCH, pin.pin(), error));
            }
            Ok(pin.read() == level(*switch_private))
        })
    }

    fn light(&mut self, lit: bool) -> Result<(), GpioError> {
        let Gpio { led, led_lit, .. } = &self.settings;
        let open = || {
            let (header, number) = pin(LED, led)?;
            let pin = header.get(number).map_err(|error| unusable(LED, number, error))?;
            let out = !level(*led_lit);
            let pin = match out {
                Reading::High => pin.into_output_high(),
                Reading::Low => pin.into_output_low(),
            };
            Ok(Light { pin, out })
        };
        with(&mut self.led, open, |light| {
            light.pin.write(if lit { !light.out } else { light.out });
            Ok(())
        })
    }
}

/// A light that goes out with its handle; rppal then gives the pin its old function back.
struct Light {
    pin: OutputPin,
    /// The level at which it is out.
    out: Reading,
}

impl Drop for Light {
    fn drop(&mut self) {
        self.pin.write(self.out);
    }
}

fn level(level: Level) -> Reading {
    match level {
        Level::High => Reading::High,
        Level::Low => Reading::Low,
    }
}

/// The header and the BCM number of a line, which the kernel names `GPIO17` and the like.
fn pin(key: &'static str, line: &Line) -> Result<(Header, u8), GpioError> {
    let number = match line {
        Line::Unused => None,
        Line::Number(number) => u8::try_from(*number).ok(),
        Line::Name(name) => name.strip_prefix("GPIO").and_then(|number| number.parse().ok()),
    };
    // The pins that lead to the header's 40 contacts; the chips have more.
    let number = number.filter(|number| *number <= 27);
    let number = number.ok_or_else(|| GpioError::UnknownLine {
        key,
        line: line.to_string(),
        allowed: "a BCM number from 0 to 27".to_owned(),
    })?;
    let header = Header::new().map_err(|error| unusable(key, number, error))?;
    Ok((header, number))
}

fn unusable(key: &'static str, number: u8, reason: impl ToString) -> GpioError {
    GpioError::Unusable {
        key,
        what: format!("GPIO{number} of the Raspberry Pi's header"),
        reason: reason.to_string(),
    }
}
