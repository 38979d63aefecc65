//! Parses messages from the broker.

/// A message on `base/privacy/set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivacyCommand {
    /// Stop sensing. A retained one applies at each connection until it is cleared at the broker.
    On,
    /// Resume sensing.
    Off,
    /// A retained OFF, which may be older than what turned privacy on: a stale command may turn privacy on,
    /// but never off.
    StaleOff,
    /// An empty message, which clears a retained one at the broker.
    Cleared,
    /// Neither ON nor OFF.
    Invalid,
}

/// Parses a message on `base/privacy/set`.
pub fn privacy_command(payload: &[u8], retain: bool) -> PrivacyCommand {
    match payload {
        b"ON" => PrivacyCommand::On,
        b"OFF" if retain => PrivacyCommand::StaleOff,
        b"OFF" => PrivacyCommand::Off,
        b"" => PrivacyCommand::Cleared,
        _ => PrivacyCommand::Invalid,
    }
}

/// Whether a message on Home Assistant's status topic says that it has just started. A retained one is about
/// an earlier start, and arrives right after the connection, when everything is published anyway.
pub fn home_assistant_has_started(payload: &[u8], retain: bool) -> bool {
    payload == b"online" && !retain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_off_ends_privacy() {
        assert_eq!(privacy_command(b"ON", false), PrivacyCommand::On);
        assert_eq!(privacy_command(b"ON", true), PrivacyCommand::On);
        assert_eq!(privacy_command(b"OFF", false), PrivacyCommand::Off);
        assert_eq!(privacy_command(b"OFF", true), PrivacyCommand::StaleOff);
        assert_eq!(privacy_command(b"", false), PrivacyCommand::Cleared);
        for invalid in [&b"on"[..], b"OFF\n", b"1", b"\xff"] {
            assert_eq!(privacy_command(invalid, false), PrivacyCommand::Invalid);
        }
    }

    #[test]
    fn a_retained_birth_message_is_ignored() {
        assert!(home_assistant_has_started(b"online", false));
        assert!(!home_assistant_has_started(b"online", true));
        assert!(!home_assistant_has_started(b"offline", false));
    }
}
