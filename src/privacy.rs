//! The privacy gate: the single place that decides whether the camera may look.
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

/// The state of one of the two inputs. Only [`Input::Off`] allows sensing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Input {
    /// It has not been read since the start.
    #[default]
    Unknown,
    /// It does not request privacy, or there is no such input.
    Off,
    /// It requests privacy.
    On,
    /// It cannot be read, for this reason. People must be able to rely on privacy, so it counts as on.
    Unreadable(String),
}

/// Both inputs, and the decision that follows from them.
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

    /// Why sensing must stop, as text for people; `None` if it need not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let command = match &self.command {
            Input::Off => None,
            Input::On => Some("privacy was turned on by a command".to_owned()),
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
/// The switch reader and the MQTT client write to it, capturing and sensing read it, and the output observes
/// it.
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
    /// Whether privacy was turned on by a command on this device and had not been commanded before.
    commanded_here: bool,
    observers: Vec<Observer>,
}

type Observer = Box<dyn Fn(&Privacy) + Send>;

impl PrivacyGate {
    /// A closed gate with both inputs unknown. Without a switch or a broker, set that input to
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

    /// Sets the state of the switch on the device.
    pub fn set_switch(&self, switch: Input) {
        let mut state = self.lock();
        if state.privacy.switch != switch {
            state.privacy.switch = switch;
            self.apply(&state);
        }
    }

    /// Sets the command received over MQTT. Observers are called even if nothing changes, because the sender
    /// of a command waits for an answer. Returns whether the command has changed.
    pub fn set_command(&self, command: Input) -> bool {
        let mut state = self.lock();
        let is_news = state.privacy.command != command;
        state.privacy.command = command;
        state.commanded_here = false;
        self.apply(&state);
        is_news
    }

    /// Commands privacy on this device. It has the same effect as a command over MQTT: the broker keeps it,
    /// and it can be revoked there.
    pub fn command_here(&self) {
        let mut state = self.lock();
        if state.privacy.command != Input::On {
            // A command that was unknown before must not count as off once this one is revoked.
            state.commanded_here = state.privacy.command == Input::Off;
            state.privacy.command = Input::On;
            self.apply(&state);
        }
    }

    /// Revokes a command given on this device. A command given over MQTT stays in force. Returns whether
    /// privacy is no longer commanded.
    pub fn revoke_here(&self) -> bool {
        let mut state = self.lock();
        if state.commanded_here {
            state.commanded_here = false;
            state.privacy.command = Input::Off;
            self.apply(&state);
        }
        state.privacy.command == Input::Off
    }

    /// Whether [`Self::revoke_here`] has a command to revoke.
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

    /// Interrupts a wait for a frame: raised while the gate is closed, and by the pipeline when it stops.
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

    /// Opens or closes the gate according to the inputs, and calls the observers.
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

    /// A panic in an observer leaves both inputs consistent.
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

/// Permission to look. It lapses for good when the gate closes, so nothing seen before is used after the gate
/// opens again.
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
