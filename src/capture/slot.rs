//! The latest-frame slot between the capture thread and the sensing thread.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::frame::Frame;

/// Holds one frame. A frame that was not taken is replaced by the next one and counted as dropped.
///
/// Frames are swapped in and out: three buffers rotate (the writer's, the slot's and the reader's), and none
/// is copied or allocated.
#[derive(Debug, Default)]
pub struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frame: Frame,
    full: bool,
    closed: bool,
    dropped: u64,
}

/// What [`Slot::take`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recv {
    /// A frame.
    Frame,
    /// No frame yet.
    Empty,
    /// No frame, and none will follow.
    Closed,
}

impl Slot {
    /// An empty slot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `frame` and leaves an old buffer in its place for the next frame to reuse.
    pub fn put(&self, frame: &mut Frame) {
        self.put_if(frame, || true);
    }

    /// Like [`Slot::put`], but only if `allowed` returns true. Returns whether the frame was stored.
    /// `allowed` is called under the slot's lock: once it returns false and [`Slot::clear`] was called, the
    /// slot stays empty.
    pub fn put_if(&self, frame: &mut Frame, allowed: impl FnOnce() -> bool) -> bool {
        let mut state = self.lock();
        if !allowed() {
            return false;
        }
        std::mem::swap(&mut state.frame, frame);
        state.dropped += u64::from(state.full);
        state.full = true;
        drop(state);
        self.changed.notify_one();
        frame.release_large();
        true
    }

    /// Waits at most `timeout` until a frame is there or the slot is closed.
    pub fn wait(&self, timeout: Duration) {
        let is_idle = |state: &mut State| !state.full && !state.closed;
        // A timeout is no error.
        let _ = self.changed.wait_timeout_while(self.lock(), timeout, is_idle);
    }

    /// Swaps the frame into `frame` without waiting. A frame that was put in before the slot was closed can
    /// still be taken.
    pub fn take(&self, frame: &mut Frame) -> Recv {
        let mut state = self.lock();
        if state.full {
            state.full = false;
            std::mem::swap(&mut state.frame, frame);
            state.frame.release_large();
            Recv::Frame
        } else if state.closed {
            Recv::Closed
        } else {
            Recv::Empty
        }
    }

    /// Discards the waiting frame and overwrites its buffer with zeros. The frame does not count as dropped.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.full = false;
        state.frame.clear();
    }

    /// Closes the slot and wakes the reader: no frame will follow.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether no frame will follow.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Frames that were replaced before they were taken.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// A thread that panicked while holding the lock left consistent values, because every change is a swap.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::capture::limits::MAX_REUSED_BYTES;
    use std::{sync::Arc, thread};

    fn numbered(sequence: u64) -> Frame {
        Frame {
            data: vec![sequence as u8; 8],
            sequence,
            ..Frame::default()
        }
    }

    #[test]
    fn the_newest_frame_wins_and_the_others_are_counted() {
        let slot = Slot::new();
        for sequence in 1..=3 {
            slot.put(&mut numbered(sequence));
        }
        let mut frame = Frame::default();
        assert_eq!(slot.take(&mut frame), Recv::Frame);
        assert_eq!((frame.sequence, frame.data[0]), (3, 3));
        assert_eq!(slot.dropped(), 2);
        assert_eq!(slot.take(&mut frame), Recv::Empty);
    }

    #[test]
    fn a_disallowed_frame_is_not_stored() {
        let slot = Slot::new();
        let mut frame = numbered(1);
        assert!(!slot.put_if(&mut frame, || false));
        assert_eq!(frame.data[0], 1);
        let taken = slot.take(&mut Frame::default());
        assert_eq!(taken, Recv::Empty);
    }

    #[test]
    fn a_cleared_slot_has_no_frame_to_take() {
        let slot = Slot::new();
        slot.put(&mut numbered(1));
        slot.clear();
        let mut frame = Frame::default();
        assert_eq!(slot.take(&mut frame), Recv::Empty);
        slot.put(&mut numbered(2));
        assert_eq!(slot.take(&mut frame), Recv::Frame);
        assert_eq!((frame.sequence, slot.dropped()), (2, 0));
    }

    #[test]
    fn buffers_rotate() {
        let slot = Slot::new();
        let (mut writer, mut reader) = (numbered(1), numbered(2));
        slot.put(&mut writer);
        slot.take(&mut reader);
        let mut seen = [
            reader.data.as_ptr(),
            writer.data.as_ptr(),
            slot.lock().frame.data.as_ptr(),
        ];
        seen.sort();
        for sequence in 0..10 {
            writer.data.clear();
            writer
                .data
                .extend_from_slice(&[sequence; 8][..writer.data.capacity().min(8)]);
            slot.put(&mut writer);
            slot.take(&mut reader);
        }
        let mut now = [
            reader.data.as_ptr(),
            writer.data.as_ptr(),
            slot.lock().frame.data.as_ptr(),
        ];
        now.sort();
        assert_eq!(seen, now);
    }

    #[test]
    fn buffers_of_very_large_frames_are_freed() {
        let slot = Slot::new();
        let large = || Frame {
            data: vec![1; MAX_REUSED_BYTES + 1],
            ..Frame::default()
        };
        let (mut writer, mut reader) = (large(), Frame::default());
        slot.put(&mut writer);
        writer = large();
        // Frees the frame that is replaced, then the one that the reader held before.
        slot.put(&mut writer);
        assert_eq!(writer.data.capacity(), 0);
        slot.take(&mut reader);
        writer = large();
        slot.put(&mut writer);
        slot.take(&mut reader);
        assert_eq!(slot.lock().frame.data.capacity(), 0);
        assert_eq!(reader.data.len(), MAX_REUSED_BYTES + 1);
    }

    #[test]
    fn closing_wakes_a_waiting_reader() {
        let slot = Arc::new(Slot::new());
        let reader = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.wait(Duration::from_secs(60));
                slot.take(&mut Frame::default())
            })
        };
        thread::sleep(Duration::from_millis(20));
        slot.close();
        assert_eq!(reader.join().unwrap(), Recv::Closed);
    }

    #[test]
    fn a_frame_wakes_a_waiting_reader() {
        let slot = Arc::new(Slot::new());
        let reader = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.wait(Duration::from_secs(60));
                slot.take(&mut Frame::default())
            })
        };
        slot.put(&mut numbered(1));
        slot.close();
        assert_eq!(reader.join().unwrap(), Recv::Frame);
    }
}
