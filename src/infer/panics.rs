//! Turns panics into errors.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

/// The largest allocation, in bytes, that a usable file may cause.
const MAX_PLAUSIBLE: u64 = 1 << 30;

/// A panic in a library, which some malformed files cause.
#[derive(Debug, thiserror::Error)]
#[error("{library} panicked: {message}")]
pub struct CaughtPanic {
    library: &'static str,
    message: String,
}

impl CaughtPanic {
    /// Whether memory lacked for an allocation of a plausible size. That may be temporary, and is then not
    /// the fault of a file.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        // The message of tract's allocations.
        self.message
            .strip_prefix("failed to allocate Layout { size: ")
            .and_then(|rest| rest.split(',').next()?.parse().ok())
            .is_some_and(|bytes: u64| bytes <= MAX_PLAUSIBLE)
    }
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and returns a panic in it as an error of `library` instead of printing it. After a panic,
/// what `work` borrowed must not be used.
///
/// # Errors
/// [`CaughtPanic`] with the panic's message.
pub fn catch_panics<T>(library: &'static str, work: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                previous(info);
            }
        }));
    });
    CATCHING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    result.map_err(|payload| CaughtPanic {
        library,
        message: message(&*payload),
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_returned() {
        assert_eq!(catch_panics("tract", || 1).unwrap(), 1);
        let caught = catch_panics("tract", || panic!("index {} of {}", 9, 4)).unwrap_err();
        assert_eq!(caught.to_string(), "tract panicked: index 9 of 4");
        let caught = catch_panics("tract", || panic!("no entry")).unwrap_err();
        assert_eq!(caught.to_string(), "tract panicked: no entry");
    }

    #[test]
    fn a_failed_allocation_is_a_shortage_unless_it_is_absurd() {
        let is_shortage = |message: &str| {
            let caught = catch_panics("tract", || panic!("{message}"));
            caught.unwrap_err().is_shortage()
        };
        for (size, expected) in [
            (1_usize, true),
            (1 << 30, true),
            (1 << 31, false),
            (1 << 42, false),
        ] {
            let layout = std::alloc::Layout::from_size_align(size, 64).unwrap();
            assert_eq!(
                is_shortage(&format!("failed to allocate {layout:?}")),
                expected,
                "{size}"
            );
        }
        for other in ["index 9 of 4", "failed to allocate", "capacity overflow"] {
            assert!(!is_shortage(other), "{other}");
        }
    }
}
