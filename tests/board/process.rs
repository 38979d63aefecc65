//! A virtual machine run as a child process, with a shell on one of its serial lines.

use std::{
    ffi::OsStr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::shell::Shell;

/// A running machine.
pub struct Machine {
    process: Child,
    pub shell: Shell,
}

impl Machine {
    /// Starts the machine and waits for its shell, which is connected to the program's standard input and
    /// output.
    ///
    /// `prepare` adds the program's arguments and may redirect standard error.
    pub fn start(program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command), timeout: Duration) -> Self {
        // The machine must not outlive the test, even if the test is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        prepare(&mut command);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let shell = Shell::new(process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut machine = Self { process, shell };
        machine.shell.wait_until_ready(timeout);
        machine
    }
}

impl Drop for Machine {
    /// Kills the machine without a shutdown, like a power cut.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
