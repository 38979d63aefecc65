//! A machine that is a program, with a shell on one of its serial lines.

use std::{
    ffi::OsStr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::shell::Shell;

/// A machine that is switched on.
pub struct Machine {
    process: Child,
    pub shell: Shell,
}

impl Machine {
    /// Switches it on and waits for its shell, which the program's standard streams lead to.
    ///
    /// `prepare` adds the program's arguments, and may send its errors elsewhere.
    pub fn start(program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command), patience: Duration) -> Self {
        // It must not outlive the test, however that ends.
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
        machine.shell.wait_until_ready(patience);
        machine
    }
}

impl Drop for Machine {
    /// As a power cut does: nothing is written any more.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
