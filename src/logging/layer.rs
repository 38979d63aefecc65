//! Takes `tracing` events, limits them, and hands them to the thread that writes them.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{
    Volume,
    entry::Entry,
    limit::{Held, RateLimit},
    queue::{Queue, Received},
    writer::{Record, Writer},
};

/// Records that wait for the writing thread, each of a few hundred bytes.
const CAPACITY: usize = 256;

/// How often the writing thread looks for held messages whose period is over, and for losses.
const TICK: Duration = Duration::from_secs(1);

/// The log. Logging to it never waits for its reader.
#[derive(Debug)]
pub(super) struct Log {
    queue: Queue<Record>,
    limit: Option<Mutex<RateLimit<Entry>>>,
    is_stopped: AtomicBool,
}

impl Log {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(writer: Writer, volume: Volume) -> io::Result<Arc<Self>> {
        let log = Arc::new(Self {
            queue: Queue::new(CAPACITY),
            limit: (volume == Volume::Limited).then(|| Mutex::new(RateLimit::new())),
            is_stopped: AtomicBool::new(false),
        });
        let shared = log.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_all(writer))?;
        Ok(log)
    }

    /// Queues a record, or drops and counts it if the queue is full.
    pub(super) fn push(&self, record: Record) {
        self.queue.push(record);
    }

    /// Waits until everything is written, including messages that the rate limiter held back, but at most for
    /// `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        if let Some(mut limit) = self.limit() {
            let held: Vec<_> = limit.drain().collect();
            self.push_held(held);
        }
        self.queue.flush(timeout);
    }

    /// Ends the writing thread after its next tick. The process's own log never ends before the process.
    #[cfg(test)]
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn write_all(&self, mut writer: Writer) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            if let Some(Received { lost_before, item }) = self.queue.receive(TICK) {
                // The notice must not be lost with the messages that it counts.
                if lost_before > 0 && writer.write_lost(lost_before).is_err() {
                    self.queue.count_lost(lost_before);
                }
                if item.is_some_and(|record| writer.write(&record).is_err()) {
                    self.queue.count_lost(1);
                }
                self.queue.finish();
            }
            if let Some(mut limit) = self.limit() {
                let due: Vec<_> = limit.due(Instant::now()).collect();
                self.push_held(due);
            }
        }
    }

    fn push_held(&self, held: Vec<Held<Entry>>) {
        for Held { newest, count } in held {
            self.push(Record::Message(newest.repeated(count)));
        }
    }

    fn limit(&self) -> Option<MutexGuard<'_, RateLimit<Entry>>> {
        let limit = self.limit.as_ref()?;
        Some(limit.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes the events of the process to the log.
pub(super) struct LogLayer(pub(super) Arc<Log>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = Entry::new(event);
        let metadata = event.metadata();
        // Debug messages are not limited: if they are enabled, all of them are wanted.
        let admitted = match self.0.limit() {
            Some(mut limit) if *metadata.level() <= Level::INFO => {
                limit.admit(metadata.callsite(), entry, Instant::now())
            }
            _ => Some(entry),
        };
        if let Some(entry) = admitted {
            self.0.push(Record::Message(entry));
        }
    }
}
