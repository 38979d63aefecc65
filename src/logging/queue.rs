//! A bounded queue that drops and counts items instead of blocking the sender.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Any number of senders, one receiver.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<Received<T>>,
    /// Items dropped since the last one that was accepted.
    lost: u64,
    /// The receiver has taken an item and not yet finished with it.
    is_busy: bool,
}

/// An item, and the number of items lost immediately before it. Without an item, none has followed the lost
/// ones yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received<T> {
    pub(super) lost_before: u64,
    pub(super) item: Option<T>,
}

impl<T> Queue<T> {
    /// An empty queue for at most `capacity` items.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::with_capacity(capacity),
                lost: 0,
                is_busy: false,
            }),
            changed: Condvar::new(),
            capacity,
        }
    }

    /// Appends an item, or counts it as lost if the queue is full. Never waits for the receiver.
    pub(super) fn push(&self, item: T) {
        let mut state = self.lock();
        if state.items.len() >= self.capacity {
            state.lost += 1;
            return;
        }
        let lost_before = std::mem::take(&mut state.lost);
        state.items.push_back(Received {
            lost_before,
            item: Some(item),
        });
        drop(state);
        self.changed.notify_all();
    }

    /// Counts items that the receiver could not deliver.
    pub(super) fn count_lost(&self, items: u64) {
        self.lock().lost += items;
    }

    /// Waits up to `timeout` for an item. The receiver must call [`Queue::finish`] once it has dealt with it.
    /// After the timeout: `None`, or the number of lost items if there are any.
    pub(super) fn receive(&self, timeout: Duration) -> Option<Received<T>> {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.items.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let received = state.items.pop_front().or_else(|| {
            let lost_before = std::mem::take(&mut state.lost);
            (lost_before > 0).then_some(Received {
                lost_before,
                item: None,
            })
        });
        state.is_busy = received.is_some();
        received
    }

    /// The receiver has dealt with what it received last.
    pub(super) fn finish(&self) {
        self.lock().is_busy = false;
        self.changed.notify_all();
    }

    /// Waits until the receiver has dealt with everything, at most for `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.is_busy || !state.items.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn received(lost_before: u64, item: u32) -> Option<Received<u32>> {
        Some(Received {
            lost_before,
            item: Some(item),
        })
    }

    #[test]
    fn losses_are_reported_where_they_happened() {
        let queue = Queue::new(2);
        for item in 1..=5 {
            queue.push(item);
        }
        assert_eq!(queue.receive(NOW), received(0, 1));
        queue.push(6);
        assert_eq!(queue.receive(NOW), received(0, 2));
        assert_eq!(queue.receive(NOW), received(3, 6));
        assert_eq!(queue.receive(NOW), None);
    }

    #[test]
    fn losses_are_reported_even_if_nothing_follows() {
        let queue = Queue::new(1);
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.receive(NOW), received(0, 1));
        let lost = Received {
            lost_before: 1,
            item: None,
        };
        assert_eq!(queue.receive(NOW), Some(lost));
        assert_eq!(queue.receive(NOW), None);
    }

    #[test]
    fn flushing_waits_for_a_receiver_that_works_and_not_for_one_that_hangs() {
        let queue = Arc::new(Queue::new(2));
        queue.push(1);
        let receiver = queue.clone();
        let thread = std::thread::spawn(move || {
            let received = receiver.receive(Duration::from_secs(60));
            receiver.finish();
            received
        });
        queue.flush(Duration::from_secs(60));
        assert_eq!(thread.join().unwrap(), received(0, 1));

        queue.push(2);
        let taken = queue.receive(NOW);
        assert_eq!(taken, received(0, 2));
        // Never finished: only the timeout ends this.
        queue.flush(Duration::from_millis(1));
    }
}
