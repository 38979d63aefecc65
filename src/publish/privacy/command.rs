//! Parses privacy commands.

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
#[must_use]
pub fn parse(payload: &[u8], retain: bool) -> PrivacyCommand {
    match payload {
        b"ON" => PrivacyCommand::On,
        b"OFF" if retain => PrivacyCommand::StaleOff,
        b"OFF" => PrivacyCommand::Off,
        b"" => PrivacyCommand::Cleared,
        _ => PrivacyCommand::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_off_ends_privacy() {
        assert_eq!(parse(b"ON", false), PrivacyCommand::On);
        assert_eq!(parse(b"ON", true), PrivacyCommand::On);
        assert_eq!(parse(b"OFF", false), PrivacyCommand::Off);
        assert_eq!(parse(b"OFF", true), PrivacyCommand::StaleOff);
        assert_eq!(parse(b"", false), PrivacyCommand::Cleared);
        for invalid in [&b"on"[..], b"OFF\n", b"1", b"\xff"] {
            assert_eq!(parse(invalid, false), PrivacyCommand::Invalid);
        }
    }
}
