//! The activity LED and the privacy switch on the device.
//!
//! One small trait, [`PrivacyIo`], and two thin backends: rppal on the header of a Raspberry Pi, and the
//! kernel's GPIO character devices everywhere else (Jetson, expanders, gpio-sim). Each opens a line on first
//! use and again after a failure, so a chip may disappear and come back without a restart.

mod chip;
mod debounce;
mod header;

use std::time::Duration;

pub use self::debounce::Debounce;
use self::{chip::ChipIo, header::HeaderIo};
use crate::config::{Gpio, Line};

/// Why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// No chip is named, and the board has no header to fall back to.
    #[error("gpio.chip: not set, and this board is not a known Raspberry Pi; allowed: {chips}")]
    NoChip {
        /// The chips of this board.
        chips: String,
    },
    /// There is no such chip.
    #[error("gpio.chip: found {found:?}; allowed: {chips}")]
    UnknownChip {
        /// The configured chip.
        found: String,
        /// The chips of this board.
        chips: String,
    },
    /// The chip has no such line.
    #[error("{key}: found {line}; allowed: {allowed}")]
    UnknownLine {
        /// The setting that names the line.
        key: &'static str,
        /// The configured line.
        line: String,
        /// The lines that exist.
        allowed: String,
    },
    /// The chip or its line is there but cannot be used.
    #[error("{key}: {what}: {reason}")]
    Unusable {
        /// The setting that names the line.
        key: &'static str,
        /// The line and its chip.
        what: String,
        /// The system's error message.
        reason: String,
    },
}

/// The lines of one device: an LED and a privacy switch.
pub trait PrivacyIo: Send {
    /// Whether the switch currently requests privacy.
    ///
    /// # Errors
    /// [`GpioError`]; the next call may succeed.
    fn is_private(&mut self) -> Result<bool, GpioError>;

    /// Turns the LED on or off. Dropping this turns it off too.
    ///
    /// # Errors
    /// [`GpioError`]; the next call may succeed.
    fn set_led(&mut self, lit: bool) -> Result<(), GpioError>;
}

/// The lines that the settings name.
pub struct GpioConfigured {
    /// The backend.
    pub io: Box<dyn PrivacyIo>,
    /// Whether there is an LED.
    pub has_led: bool,
    /// How long the switch must allow sensing before sensing begins; `None` without a switch.
    pub debounce: Option<Duration>,
}

/// The lines that `settings` name; `None` if they name none. A line is requested from the kernel when it is
/// first used.
#[must_use]
pub fn open_gpio(settings: &Gpio) -> Option<GpioConfigured> {
    let has_led = settings.led != Line::Unused;
    let has_switch = settings.switch != Line::Unused;
    let io: Box<dyn PrivacyIo> = match settings.chip.as_str() {
        _ if !has_led && !has_switch => return None,
        "" if HeaderIo::is_available() => Box::new(HeaderIo::new(settings)),
        _ => Box::new(ChipIo::new(settings)),
    };
    Some(GpioConfigured {
        io,
        has_led,
        debounce: has_switch.then_some(settings.switch_debounce),
    })
}

/// The settings that name lines.
const LED: &str = "gpio.led";
const SWITCH: &str = "gpio.switch";

/// Calls `act` with the handle in `held`, which is opened first if there is none and dropped if `act` fails.
fn with_open<T, R>(
    held: &mut Option<T>,
    open: impl FnOnce() -> Result<T, GpioError>,
    act: impl FnOnce(&mut T) -> Result<R, GpioError>,
) -> Result<R, GpioError> {
    let mut handle = match held.take() {
        Some(handle) => handle,
        None => open()?,
    };
    let result = act(&mut handle)?;
    *held = Some(handle);
    Ok(result)
}
