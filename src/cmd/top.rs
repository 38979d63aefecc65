//! `affectd top`: shows in the terminal what the running daemon sees.

use std::io::IsTerminal as _;

use anyhow::anyhow;
use clap::Args;

use super::Global;
use crate::{
    error::{Exit, Failure},
    http::Client,
    top,
};

/// Shows in the terminal what the running daemon sees
///
/// Faces with their expression, distance and quality, valence and arousal, the latency of each stage, camera,
/// broker and board: the figures of the live page. Needs http.listen, and the same configuration as the
/// daemon. Press q to end it.
#[derive(Debug, Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let settings = global.settings()?;
        let Some(client) = Client::open(&settings.http)? else {
            let reason =
                anyhow!("http.listen is empty; the daemon shows its figures only with an address there");
            return Err(Failure::new(Exit::Config, reason));
        };
        if !std::io::stdout().is_terminal() {
            let reason =
                anyhow!("standard output is not a terminal; programs read /metrics or /events instead");
            return Err(Failure::new(Exit::Usage, reason));
        }
        top::run(client).map_err(|error| Failure::new(Exit::Software, error))
    }
}
