//! The privacy gate: the one place that answers "may the camera look?".
//!
//! Two inputs close it, a switch on the device and a command over MQTT. Either is enough, and neither
//! overrules the other. The gate fails closed: it stays closed until each input is known to be off, and it
//! closes again when one can no longer be read.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::interrupt::{Cause, Interrupt};

/// What one of the two inputs says. Sensing is allowed only by [`Input::Off`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing yet: it has not been read since the start.
    #[default]
    Unknown,
    /// It does not ask for privacy; also where there is no such input.
    Off,
    /// It asks for privacy.
    On,
    /// It cannot be read, with the reason. People must be able to rely on it, so it counts as on.
    Unreadable(String),
}

/// Both inputs, and what follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The last command over MQTT.
    pub command: Input,
    /// The switch on the device.
    pub switch: Input,
}

impl Privacy {
    /// Whether sensing must stop.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.command != Input::Off || self.switch != Input::Off
    }

    /// Why sensing must stop, for a person; `None` where it need not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let command = match &self.command {
            Input::Off => None,
            Input::On => Some("privacy was commanded".to_owned()),
            Input::Unknown => Some("the broker has not answered yet".to_owned()),
            Input::Unreadable(reason) => Some(format!("privacy cannot be commanded: {reason}")),
        };
        let switch = match &self.switch {
            Input::Off => None,
            Input::On => Some("the privacy switch is on".to_owned()),
            Input::Unknown => Some("the privacy switch has not been read yet".to_owned()),
            Input::Unreadable(reason) => Some(format!("the privacy switch cannot be read: {reason}")),
        };
        match (command, switch) {
            (Some(command), Some(switch)) => Some(format!("{command}, and {switch}")),
            (command, switch) => command.or(switch),
        }
    }
}

/// Decides whether the camera may look. Clones share the decision.
///
/// The reader of the switch and the MQTT client write to it, capturing and sensing read it, and the output
/// observes it.
#[derive(Clone)]
pub struct PrivacyGate {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Grows each time the gate opens or closes; odd while it is open.
    period: AtomicU64,
    /// Raised for [`Cause::Privacy`] exactly while the gate is closed.
    interrupt: Interrupt,
}

struct State {
    privacy: Privacy,
    /// Whether the command was given on this device, and nobody had commanded it before.
    commanded_here: bool,
    observers: Vec<Observer>,
}

type Observer = Box<dyn Fn(&Privacy) + Send>;

impl PrivacyGate {
    /// A closed gate. Both inputs are unknown; where there is no switch or no broker, say so by
    /// [`Input::Off`].
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let interrupt = Interrupt::new()?;
        interrupt.raise(Cause::Privacy);
        Ok(Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    privacy: Privacy::default(),
                    commanded_here: false,
                    observers: Vec::new(),
                }),
                period: AtomicU64::new(0),
                interrupt,
            }),
        })
    }

    /// Takes the state of the switch on the device.
    pub fn set_switch(&self, switch: Input) {
        let mut state = self.lock();
        if state.privacy.switch != switch {
            state.privacy.switch = switch;
            self.apply(&state);
        }
    }

    /// Takes a command over MQTT. Observers are called even if it changes nothing, because the sender of a
    /// command waits for an answer. Returns whether it is news.
    pub fn set_command(&self, command: Input) -> bool {
        let mut state = self.lock();
        let is_news = state.privacy.command != command;
        state.privacy.command = command;
        state.commanded_here = false;
        self.apply(&state);
        is_news
    }

    /// Commands privacy on this device. It counts as a command over MQTT does: the broker keeps it, and it can
    /// be taken back there.
    pub fn command_here(&self) {
        let mut state = self.lock();
        if state.privacy.command != Input::On {
            // What was unknown before must not count as off after.
            state.commanded_here = state.privacy.command == Input::Off;
            state.privacy.command = Input::On;
            self.apply(&state);
        }
    }

    /// Takes back what was commanded on this device. Returns whether privacy is no longer commanded: what was
    /// commanded over MQTT stays.
    pub fn revoke_here(&self) -> bool {
        let mut state = self.lock();
        if state.commanded_here {
            state.commanded_here = false;
            state.privacy.command = Input::Off;
            self.apply(&state);
        }
        state.privacy.command == Input::Off
    }

    /// Whether [`Self::revoke_here`] has something to take back.
    #[must_use]
    pub fn is_revocable_here(&self) -> bool {
        self.lock().commanded_here
    }

    /// Both inputs as they are now.
    #[must_use]
    pub fn privacy(&self) -> Privacy {
        self.lock().privacy.clone()
    }

    /// Permission to look and to process what was seen; `None` while the gate is closed.
    #[must_use]
    pub fn permit(&self) -> Option<Permit<'_>> {
        let period = self.shared.period.load(Ordering::Acquire);
        (period % 2 == 1).then_some(Permit { gate: self, period })
    }

    /// Ends a wait for a frame: raised while the gate is closed, and by the pipeline when it stops.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.shared.interrupt
    }

    /// Calls `observer` now and whenever an input has changed, in the order of the changes. When the gate
    /// closes, the permits have already lapsed. The observer must not block and must not call the gate.
    pub fn observe(&self, observer: impl Fn(&Privacy) + Send + 'static) {
        let mut state = self.lock();
        observer(&state.privacy);
        state.observers.push(Box::new(observer));
    }

    /// Opens or closes the gate as the inputs say, and tells the observers.
    fn apply(&self, state: &State) {
        let opens = !state.privacy.is_on();
        if opens != self.permit().is_some() {
            // Only written under the lock.
            self.shared.period.fetch_add(1, Ordering::AcqRel);
            if opens {
                self.shared.interrupt.clear(Cause::Privacy);
            } else {
                self.shared.interrupt.raise(Cause::Privacy);
            }
        }
        for observer in &state.observers {
            observer(&state.privacy);
        }
    }

    /// A panic in an observer leaves both inputs whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PrivacyGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyGate")
            .field("privacy", &self.privacy())
            .finish_non_exhaustive()
    }
}

/// Permission to look. It lapses when the gate closes and does not come back when the gate opens again, so
/// that nothing seen before is used after.
#[derive(Debug, Clone, Copy)]
pub struct Permit<'a> {
    gate: &'a PrivacyGate,
    period: u64,
}

impl Permit<'_> {
    /// Whether the gate has been open ever since the permit was given.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.gate.shared.period.load(Ordering::Acquire) == self.period
    }
}

#[cfg(test)]
#[path = "privacy_tests.rs"]
mod tests;
