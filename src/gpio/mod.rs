//! The activity light and the privacy switch on the device.
//!
//! One small trait, [`Panel`], and two thin backends: rppal on the header of a Raspberry Pi, and the kernel's GPIO
//! character devices everywhere else (Jetson, expanders, gpio-sim). Each opens a line when it is first used and again
//! after it failed, so that a chip that goes and comes back needs no restart. [`Debounce`] is pure.

mod chip;
mod debounce;
mod header;

use std::time::Duration;

pub use self::debounce::Debounce;
use self::{chip::ChipPanel, header::HeaderPanel};
use crate::config::{Gpio, Line};

/// Why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// No chip is named, and there is no header to fall back to.
    #[error("gpio.chip: found nothing, and this board is no known Raspberry Pi; allowed: {chips}")]
    NoChip {
        /// The chips of this board.
        chips: String,
    },
    /// There is no such chip.
    #[error("gpio.chip: found {found:?}; allowed: {chips}")]
    UnknownChip {
        /// The chip that was sought.
        found: String,
        /// The chips of this board.
        chips: String,
    },
    /// The chip has no such line.
    #[error("{key}: found {line}; allowed: {allowed}")]
    UnknownLine {
        /// The setting that names the line.
        key: &'static str,
        /// The line that was sought.
        line: String,
        /// The lines that there are.
        allowed: String,
    },
    /// The chip or its line is there but cannot be used.
    #[error("{key}: {what}: {reason}")]
    Unusable {
        /// The setting that names the line.
        key: &'static str,
        /// The line and its chip.
        what: String,
        /// What the system says.
        reason: String,
    },
}

/// What a person sees of the daemon: a light and a switch.
pub trait Panel: Send {
    /// Whether the switch asks for privacy at this moment.
    ///
    /// # Errors
    /// [`GpioError`]; the next call may succeed.
    fn is_private(&mut self) -> Result<bool, GpioError>;

    /// Lights the light, or puts it out. It is out too when the panel is dropped.
    ///
    /// # Errors
    /// [`GpioError`]; the next call may succeed.
    fn light(&mut self, lit: bool) -> Result<(), GpioError>;
}

/// What there is of a panel.
pub struct Fittings {
    /// The backend.
    pub panel: Box<dyn Panel>,
    /// Whether it has a light.
    pub light: bool,
    /// How long its switch must allow sensing; `None` without a switch.
    pub switch: Option<Duration>,
}

/// The panel that `settings` describe, if any. Opens nothing yet.
#[must_use]
pub fn fittings(settings: &Gpio) -> Option<Fittings> {
    let light = settings.led != Line::Unused;
    let switch = settings.switch != Line::Unused;
    let panel: Box<dyn Panel> = match settings.chip.as_str() {
        _ if !light && !switch => return None,
        "" if HeaderPanel::is_here() => Box::new(HeaderPanel::new(settings)),
        _ => Box::new(ChipPanel::new(settings)),
    };
    Some(Fittings {
        panel,
        light,
        switch: switch.then_some(settings.switch_debounce),
    })
}

/// The settings that name lines.
const LED: &str = "gpio.led";
const SWITCH: &str = "gpio.switch";

/// The handle in `held`, opened first where there is none; given up when using it fails.
fn with<T, R>(
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
