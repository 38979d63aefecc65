//! Threads that run the expression network alongside the sensing thread.
//!
//! A network is sent to its thread with its input filled in, and comes back with its outputs, so nothing is
//! shared and nothing is allocated. Several faces are classified at the same time; splitting the work of one
//! network would gain less.

use affectd_infer::{InferError, Network};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use crate::{model::Expression as ExpressionSpec, sense::outputs::OutputVector};

/// The outputs of a run, and the network.
type Finished = (Network, Result<OutputVector, InferError>);

/// A thread that runs one network.
#[derive(Debug)]
pub(super) struct InferenceWorker {
    /// `None` while the thread runs it.
    network: Option<Network>,
    /// `None` only while the worker is dropped.
    jobs: Option<SyncSender<Network>>,
    finished: Receiver<Finished>,
    thread: Option<JoinHandle<()>>,
}

impl InferenceWorker {
    /// Starts a thread for another state of `network`.
    ///
    /// # Errors
    /// [`InferError::Run`] if the thread or the state cannot be created.
    pub(super) fn start(network: &Network, spec: &Arc<ExpressionSpec>) -> Result<Self, InferError> {
        let (jobs, queue) = sync_channel::<Network>(1);
        let (results, finished) = sync_channel(1);
        let spec = spec.clone();
        let work = move || {
            for mut network in queue {
                let outputs = network
                    .run(|_| (), |outputs| OutputVector::gather(&spec, outputs))
                    .flatten();
                if results.send((network, outputs)).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new()
            .name("expression".to_owned())
            .spawn(work)
            .map_err(|error| InferError::Run(error.into()))?;
        Ok(Self {
            network: Some(network.try_clone()?),
            jobs: Some(jobs),
            finished,
            thread: Some(thread),
        })
    }

    /// Writes the network's input with `fill` and starts a run in the thread.
    ///
    /// # Errors
    /// [`InferError::Run`] if the thread has ended.
    pub(super) fn submit(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), InferError> {
        let mut network = self.network.take().ok_or_else(ended)?;
        if let Err(error) = network.fill(fill) {
            self.network = Some(network);
            return Err(error);
        }
        self.jobs
            .as_ref()
            .ok_or_else(ended)?
            .send(network)
            .map_err(|_| ended())
    }

    /// Waits for the outputs of the submitted run.
    ///
    /// # Errors
    /// [`InferError`] if the network failed or the thread has ended.
    pub(super) fn wait(&mut self) -> Result<OutputVector, InferError> {
        let (network, outputs) = self.finished.recv().map_err(|_| ended())?;
        self.network = Some(network);
        outputs
    }
}

fn ended() -> InferError {
    InferError::Run("one of its threads has ended".into())
}

impl Drop for InferenceWorker {
    fn drop(&mut self) {
        // The thread ends once the channel has no sender.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the expression network panicked");
        }
    }
}
