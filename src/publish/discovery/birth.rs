//! Home Assistant's birth message: what it publishes on its status topic when it starts.

/// Whether a message on Home Assistant's status topic says that it has just started. A retained one is about
/// an earlier start, and arrives right after the connection, when everything is published anyway.
#[must_use]
pub fn home_assistant_has_started(payload: &[u8], retain: bool) -> bool {
    payload == b"online" && !retain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retained_birth_message_is_ignored() {
        assert!(home_assistant_has_started(b"online", false));
        assert!(!home_assistant_has_started(b"online", true));
        assert!(!home_assistant_has_started(b"offline", false));
    }
}
