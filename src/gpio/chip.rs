//! The lines of a GPIO chip, by the kernel's character devices.

use std::path::{Path, PathBuf};

use gpiocdev::{
    Chip, Request,
    line::{Bias, Value},
};

use super::{GpioError, LED, Panel, SWITCH, with};
use crate::config::{Gpio, Level, Line, Pull};

/// What other programs see as the lines' user.
const CONSUMER: &str = "affectd";

/// Light and switch on lines of a chip.
pub(super) struct ChipPanel {
    settings: Gpio,
    led: Option<Light>,
    switch: Option<Request>,
}

impl ChipPanel {
    pub fn new(settings: &Gpio) -> Self {
        Self {
            settings: settings.clone(),
            led: None,
            switch: None,
        }
    }
}

impl Panel for ChipPanel {
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
                .with_bias(match switch_pull {
                    Pull::Up => Bias::PullUp,
                    Pull::Down => Bias::PullDown,
                    Pull::None => Bias::Disabled,
                })
                .request()
                .map_err(|error| unusable(SWITCH, switch, &path, error))
        };
        with(&mut self.switch, open, |request| {
            let value = request
                .lone_value()
                .map_err(|error| unusable(SWITCH, switch, &request.chip_path(), error))?;
            Ok(value == level(*switch_private))
        })
    }

    fn light(&mut self, lit: bool) -> Result<(), GpioError> {
        let Gpio {
            chip, led, led_lit, ..
        } = &self.settings;
        let open = || {
            let (path, offset) = find(chip, LED, led)?;
            let out = level(*led_lit).not();
            let request = Request::builder()
                .with_consumer(CONSUMER)
                .on_chip(&path)
                .with_line(offset)
                .as_output(out)
                .request()
                .map_err(|error| unusable(LED, led, &path, error))?;
            Ok(Light { request, out })
        };
        with(&mut self.led, open, |light| {
            let value = if lit { light.out.not() } else { light.out };
            light
                .request
                .set_lone_value(value)
                .map_err(|error| unusable(LED, led, &light.request.chip_path(), error))
        })
    }
}

/// A light that goes out with its handle.
struct Light {
    request: Request,
    /// The value at which it is out.
    out: Value,
}

impl Drop for Light {
    fn drop(&mut self) {
        // Where the chip is gone the light is nobody's any more.
        let _ = self.request.set_lone_value(self.out);
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
