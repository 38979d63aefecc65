//! Starting threads and waiting for them.

use std::{thread, time::Duration};

use crate::error::{Exit, Failure};

/// How long a device that blocks in its driver may delay the end of the process.
const RELEASE: Duration = Duration::from_millis(700);

/// A pipeline thread and its result.
pub(super) type Worker = thread::JoinHandle<Result<(), Failure>>;

/// Starts a thread.
pub(super) fn spawn(
    name: &str,
    body: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<Worker, Failure> {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| Failure::new(Exit::Software, error))
}

/// Waits for a thread. A panic becomes a failure.
pub(super) fn join(worker: Worker) -> Result<(), Failure> {
    let name = worker.thread().name().unwrap_or("?").to_owned();
    worker.join().unwrap_or_else(|_| {
        Err(Failure::new(
            Exit::Software,
            anyhow::anyhow!("the {name} thread panicked; see the message above"),
        ))
    })
}

/// Waits at most [`RELEASE`] for a thread. After that, the kernel releases its resources when the process
/// ends.
pub(super) fn join_within_limit(worker: Worker, what: &str) -> Result<(), Failure> {
    let step = Duration::from_millis(10);
    let mut left = RELEASE;
    while !worker.is_finished() {
        if left.is_zero() {
            tracing::warn!("{what} did not end in time; the process ends without it");
            return Ok(());
        }
        thread::sleep(step);
        left = left.saturating_sub(step);
    }
    join(worker)
}
