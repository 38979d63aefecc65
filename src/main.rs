//! Maps the arguments to one subcommand, and its failure to an exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use affectd::{
    cmd::{self, Cli},
    logging,
};
use clap::Parser as _;

fn main() -> ExitCode {
    affectd_infer::memory::tune_allocator();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(output) => return cmd::print_clap_output(&output),
    };
    match cli.run() {
        Ok(()) => {
            logging::flush();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            logging::report(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}
