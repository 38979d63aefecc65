//! The lines of a GPIO chip, through the kernel's character devices.

use std::path::{Path, PathBuf};

use gpiocdev::{
    Chip, Request,
    line::{Bias, Value},
};

use super::{GpioError, LED, PrivacyIo, SWITCH, with_open};
use crate::config::{Gpio, Level, Line, Pull};

/// The lines' consumer, as other programs see it.
const CONSUMER: &str = "affectd";

/// LED and switch on lines of a chip.
pub(super) struct ChipIo {
    settings: Gpio,
    led: Option<Led>,
    switch: Option<Request>,
}

impl ChipIo {
    pub fn new(settings: &Gpio) -> Self {
        Self {
            settings: settings.clone(),
            led: None,
            switch: None,
        }
    }
}

impl PrivacyIo for ChipIo {
    fn is_private(&mut self) -> Result<bool, GpioError> {
        let Gpio {
            chip,
            switch,
            switch_pull,
            switch_private,
            ..
        } = &self.settings;
        let open = || {
            let (path, offset) = find(chip, SWITCH, switch)?;
            Request::builder()
                .with_consumer(CONSUMER)
                .on_chip(&path)
                .with_line(offset)
                .as_input()
                .with_bias(bias(*switch_pull))
                .request()
                .map_err(|error| unusable(SWITCH, switch, &path, error))
        };
        with_open(&mut self.switch, open, |request| {
            let value = request
                .lone_value()
                .map_err(|error| unusable(SWITCH, switch, &request.chip_path(), error))?;
            Ok(value == level(*switch_private))
        })
    }

    fn set_led(&mut self, lit: bool) -> Result<(), GpioError> {
        let Gpio {
            chip, led, led_lit, ..
        } = &self.settings;
        let open = || {
            let (path, offset) = find(chip, LED, led)?;
            let off = level(*led_lit).not();
            let request = Request::builder()
                .with_consumer(CONSUMER)
                .on_chip(&path)
                .with_line(offset)
                .as_output(off)
                .request()
                .map_err(|error| unusable(LED, led, &path, error))?;
            Ok(Led { request, off })
        };
        with_open(&mut self.led, open, |led_line| {
            let value = if lit { led_line.off.not() } else { led_line.off };
            led_line
                .request
                .set_lone_value(value)
                .map_err(|error| unusable(LED, led, &led_line.request.chip_path(), error))
        })
    }
}

/// An LED that is turned off when its handle is dropped.
struct Led {
    request: Request,
    /// The value at which it is off.
    off: Value,
}

impl Drop for Led {
    fn drop(&mut self) {
        // Ignore errors: the chip may be gone.
        let _ = self.request.set_lone_value(self.off);
    }
}

fn bias(pull: Pull) -> Bias {
    match pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    }
}

fn level(level: Level) -> Value {
    match level {
        Level::High => Value::Active,
        Level::Low => Value::Inactive,
    }
}

/// The chip's device file and the offset of a line on it.
fn find(chip: &str, key: &'static str, line: &Line) -> Result<(PathBuf, u32), GpioError> {
    let path = device(chip)?;
    let opened = Chip::from_path(&path).map_err(|error| unusable(key, line, &path, error))?;
    let info = opened.info().map_err(|error| unusable(key, line, &path, error))?;
    let offset = match line {
        Line::Number(number) => Some(*number).filter(|number| *number < info.num_lines),
        Line::Name(name) => opened.find_line_info(name).map(|line| line.offset),
        Line::Unused => None,
    };
    let offset = offset.ok_or_else(|| GpioError::UnknownLine {
        key,
        line: line.to_string(),
        allowed: format!(
            "a line of {} ({}), which has the numbers 0 to {}",
            path.display(),
            info.label,
            info.num_lines.saturating_sub(1)
        ),
    })?;
    Ok((path, offset))
}

/// The device file of the chip with this path or label.
fn device(chip: &str) -> Result<PathBuf, GpioError> {
    if chip.starts_with('/') && Path::new(chip).exists() {
        return Ok(chip.into());
    }
    let known: Vec<(PathBuf, String)> = gpiocdev::chip::chips()
        .unwrap_or_default()
        .into_iter()
        .map(|path| {
            let info = Chip::from_path(&path).and_then(|chip| chip.info());
            (
                path,
                info.map_or_else(|error| error.to_string(), |info| info.label),
            )
        })
        .collect();
    if let Some((path, _)) = known.iter().find(|(_, label)| !chip.is_empty() && label == chip) {
        return Ok(path.clone());
    }
    let named: Vec<String> = known
        .iter()
        .map(|(path, label)| format!("{} ({label})", path.display()))
        .collect();
    let chips = match named.as_slice() {
        [] => "a GPIO chip, but this system shows none in /dev".to_owned(),
        named => format!("one of {}", named.join(", ")),
    };
    Err(match chip {
        "" => GpioError::NoChip { chips },
        found => GpioError::UnknownChip {
            found: found.to_owned(),
            chips,
        },
    })
}

fn unusable(key: &'static str, line: &Line, chip: &Path, error: gpiocdev::Error) -> GpioError {
    GpioError::Unusable {
        key,
        what: format!("line {line} of {}", chip.display()),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_and_level_match_the_kernel() {
        assert_eq!(bias(Pull::Up), Bias::PullUp);
        assert_eq!(bias(Pull::Down), Bias::PullDown);
        assert_eq!(bias(Pull::None), Bias::Disabled);
        assert_eq!(level(Level::High), Value::Active);
        assert_eq!(level(Level::Low), Value::Inactive);
    }
}
