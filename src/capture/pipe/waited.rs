//! Tracks which frames waited in a pipe during a pause of this process.

use std::time::Duration;

/// Tracks the bytes that were in the pipe when a pause ended, and the frame in which they end.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// None of the unread bytes was in the pipe during a pause.
    #[default]
    Nothing,
    /// The next `unread` bytes may have been in the pipe during a pause.
    Bytes { since: Duration, unread: usize },
    /// Those bytes were read, but the frame that began with them has not ended.
    Beginning { since: Duration },
}

impl Waited {
    /// A pause began at `since` and has ended. The pipe holds at most `capacity` bytes. What waited in an
    /// earlier pause still counts from the beginning of that one.
    pub(super) fn paused(&mut self, since: Duration, capacity: usize) {
        let since = match *self {
            Self::Nothing => since,
            Self::Bytes { since: earlier, .. } | Self::Beginning { since: earlier } => earlier,
        };
        *self = Self::Bytes {
            since,
            unread: capacity,
        };
    }

    /// Whether unread bytes may have been in the pipe during a pause.
    pub(super) fn has_unread(self) -> bool {
        matches!(self, Self::Bytes { .. })
    }

    /// The next bytes are about to be read; `pending` bytes of a frame were read before.
    pub(super) fn reading(&mut self, pending: usize) {
        if let Self::Bytes { since, unread: 0 } = *self {
            *self = if pending > 0 {
                Self::Beginning { since }
            } else {
                Self::Nothing
            };
        }
    }

    /// Bytes were read.
    pub(super) fn read(&mut self, bytes: usize) {
        if let Self::Bytes { unread, .. } = self {
            *unread = unread.saturating_sub(bytes);
        }
    }

    /// The pipe is empty; `pending` bytes of a frame were read before.
    pub(super) fn emptied(&mut self, pending: usize) {
        self.read(usize::MAX);
        self.reading(pending);
    }

    /// A frame has ended. Returns since when it may have waited in the pipe; `None` if it is new.
    pub(super) fn frame_ended(&mut self) -> Option<Duration> {
        match *self {
            Self::Nothing => None,
            Self::Bytes { since, .. } => Some(since),
            Self::Beginning { since } => {
                *self = Self::Nothing;
                Some(since)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: Duration = Duration::from_secs(5);

    fn paused(capacity: usize) -> Waited {
        let mut waited = Waited::default();
        waited.paused(SINCE, capacity);
        waited
    }

    #[test]
    fn frames_are_new_unless_there_was_a_pause() {
        let mut waited = Waited::default();
        waited.reading(0);
        waited.read(100);
        assert_eq!(waited.frame_ended(), None);
    }

    #[test]
    fn every_frame_that_was_in_the_pipe_waited() {
        let mut waited = paused(100);
        waited.reading(0);
        waited.read(100);
        // Several frames in the bytes of one read.
        assert_eq!(
            (waited.frame_ended(), waited.frame_ended()),
            (Some(SINCE), Some(SINCE))
        );
        waited.reading(0);
        waited.read(50);
        assert_eq!(waited.frame_ended(), None);
    }

    #[test]
    fn a_frame_whose_beginning_was_in_the_pipe_waited_too() {
        let mut waited = paused(1000);
        waited.reading(0);
        waited.read(100);
        waited.emptied(100);
        waited.reading(100);
        waited.read(30);
        assert_eq!((waited.frame_ended(), waited.frame_ended()), (Some(SINCE), None));
    }

    #[test]
    fn frames_after_an_emptied_pipe_are_new() {
        let mut waited = paused(1000);
        waited.emptied(0);
        assert_eq!(waited.frame_ended(), None);
    }

    #[test]
    fn frames_of_a_never_empty_pipe_become_new_again() {
        let mut waited = paused(100);
        for _ in 0..2 {
            waited.reading(7);
            waited.read(60);
            assert_eq!(waited.frame_ended(), Some(SINCE));
        }
        waited.reading(7);
        waited.read(60);
        assert_eq!((waited.frame_ended(), waited.frame_ended()), (Some(SINCE), None));
    }
}
