//! The 40-pin header of a Raspberry Pi, through rppal.

use rppal::{
    gpio::{Bias, Gpio as Header, IoPin, Level as Reading, Mode, OutputPin},
    system::DeviceInfo,
};

use super::{GpioError, LED, PrivacyIo, SWITCH, with_open};
use crate::config::{Gpio, Level, Line, Pull};

/// LED and switch on pins of the header.
pub(super) struct HeaderIo {
    settings: Gpio,
    led: Option<Led>,
    switch: Option<IoPin>,
}

impl HeaderIo {
    /// Whether this is a Raspberry Pi that rppal supports.
    pub fn is_available() -> bool {
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

impl PrivacyIo for HeaderIo {
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
            pin.set_bias(bias(*switch_pull));
            Ok(pin)
        };
        with_open(&mut self.switch, open, |pin| {
            // Reading a register never fails, so check that the pin is still an input.
            if pin.mode() != Mode::Input {
                let error = format!("another program has changed it to {}", pin.mode());
                return Err(unusable(SWITCH, pin.pin(), error));
            }
            Ok(pin.read() == level(*switch_private))
        })
    }

    fn set_led(&mut self, lit: bool) -> Result<(), GpioError> {
        let Gpio { led, led_lit, .. } = &self.settings;
        let open = || {
            let (header, number) = pin(LED, led)?;
            let pin = header.get(number).map_err(|error| unusable(LED, number, error))?;
            let off = !level(*led_lit);
            let pin = match off {
                Reading::High => pin.into_output_high(),
                Reading::Low => pin.into_output_low(),
            };
            Ok(Led { pin, off })
        };
        with_open(&mut self.led, open, |led_pin| {
            led_pin.pin.write(if lit { !led_pin.off } else { led_pin.off });
            Ok(())
        })
    }
}

/// An LED that is turned off when its handle is dropped; rppal then restores the pin's function.
struct Led {
    pin: OutputPin,
    /// The level at which it is off.
    off: Reading,
}

impl Drop for Led {
    fn drop(&mut self) {
        self.pin.write(self.off);
    }
}

fn bias(pull: Pull) -> Bias {
    match pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Off,
    }
}

fn level(level: Level) -> Reading {
    match level {
        Level::High => Reading::High,
        Level::Low => Reading::Low,
    }
}

/// The header and the BCM number of a line.
fn pin(key: &'static str, line: &Line) -> Result<(Header, u8), GpioError> {
    let number = bcm_number(key, line)?;
    let header = Header::new().map_err(|error| unusable(key, number, error))?;
    Ok((header, number))
}

/// The BCM number of a line, which has kernel names such as `GPIO17`.
fn bcm_number(key: &'static str, line: &Line) -> Result<u8, GpioError> {
    let number = match line {
        Line::Unused => None,
        Line::Number(number) => u8::try_from(*number).ok(),
        Line::Name(name) => name.strip_prefix("GPIO").and_then(|number| number.parse().ok()),
    };
    // Only these are connected to the header's pins; the chips have more.
    let number = number.filter(|number| *number <= 27);
    number.ok_or_else(|| GpioError::UnknownLine {
        key,
        line: line.to_string(),
        allowed: "a BCM number from 0 to 27".to_owned(),
    })
}

fn unusable(key: &'static str, number: u8, reason: impl ToString) -> GpioError {
    GpioError::Unusable {
        key,
        what: format!("GPIO{number} of the Raspberry Pi's header"),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pull_and_level_match_the_chip() {
        assert_eq!(bias(Pull::Up), Bias::PullUp);
        assert_eq!(bias(Pull::Down), Bias::PullDown);
        assert_eq!(bias(Pull::None), Bias::Off);
        assert_eq!(level(Level::High), Reading::High);
        assert_eq!(level(Level::Low), Reading::Low);
    }

    #[test]
    fn a_line_is_a_bcm_number_or_the_kernels_name_for_one() {
        let number = |line: Line| bcm_number(SWITCH, &line);
        assert_eq!(number(Line::Number(27)).unwrap(), 27);
        assert_eq!(number(Line::Name("GPIO4".into())).unwrap(), 4);
        for unknown in [Line::Unused, Line::Number(28), Line::Name("PIN4".into())] {
            let error = number(unknown).unwrap_err().to_string();
            assert!(
                error.contains("gpio.switch") && error.contains("0 to 27"),
                "{error}"
            );
        }
    }
}
