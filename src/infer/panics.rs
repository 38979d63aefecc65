//! Turns panics into errors.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

/// A panic in a library, which some malformed files cause.
#[derive(Debug, thiserror::Error)]
#[error("{library} panicked: {message}")]
pub struct CaughtPanic {
    library: &'static str,
    message: String,
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and returns a panic in it as an error of `library` instead of printing it. After a panic, what
/// `work` borrowed must not be used.
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
}
