//! Threads beside the sensing one, each of which runs an expression network.
//!
//! A network goes to a thread with its input written and comes back with what it gave, so that nothing is shared and
//! nothing allocated. Several faces are then read at the same time; splitting one network's work would gain less.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use affectd_infer::{InferError, Network};

use super::outputs::Numbers;
use crate::model::Expression as Contract;

/// What came of a run, and the network.
type Done = (Network, Result<Numbers, InferError>);

/// A thread, and the network it is given.
#[derive(Debug)]
pub(super) struct Helper {
    network: Option<Network>,
    /// `None` only while the helper is dropped.
    jobs: Option<SyncSender<Network>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Starts a thread for another state of this network.
    ///
    /// # Errors
    /// [`InferError::Run`] where neither can be made.
    pub(super) fn start(network: &Network, contract: &Arc<Contract>) -> Result<Self, InferError> {
        let (jobs, todo) = sync_channel::<Network>(1);
        let (results, done) = sync_channel(1);
        let contract = contract.clone();
        let work = move || {
            for mut network in todo {
                let numbers = network
                    .run(|_| (), |outputs| Numbers::gather(&contract, outputs))
                    .flatten();
                if results.send((network, numbers)).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new()
            .name("expression".to_owned())
            .spawn(work)
            .map_err(|error| InferError::Run(error.into()))?;
        Ok(Self {
            network: Some(network.another()?),
            jobs: Some(jobs),
            done,
            thread: Some(thread),
        })
    }

    /// Lets the thread run the network on what `fill` writes.
    ///
    /// # Errors
    /// [`InferError::Run`] where the thread is gone.
    pub(super) fn begin(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), InferError> {
        let mut network = self.network.take().ok_or_else(gone)?;
        if let Err(error) = network.fill(fill) {
            self.network = Some(network);
            return Err(error);
        }
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(network)
            .map_err(|_| gone())
    }

    /// Waits for the outputs.
    ///
    /// # Errors
    /// [`InferError`] where the network failed or the thread is gone.
    pub(super) fn finish(&mut self) -> Result<Numbers, InferError> {
        let (network, numbers) = self.done.recv().map_err(|_| gone())?;
        self.network = Some(network);
        numbers
    }
}

fn gone() -> InferError {
    InferError::Run("one of its threads has ended".into())
}

impl Drop for Helper {
    fn drop(&mut self) {
        // The thread ends when nobody can send any more.
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the expression network panicked");
        }
    }
}
