//! Kills a camera program and the processes it started when the daemon is killed.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::Pid;

/// Waits for the end of its standard input, which the kernel closes when the daemon ends, and kills its own
/// group. SIGTERM to the group must not end the shell before the rest of the group.
const SCRIPT: &str = "trap '' HUP INT TERM; read _; kill -s KILL 0";

/// A shell in the process group of a camera program. The kernel's signal at the end of the parent (see
/// [`affectd_sys::child::spawn`]) reaches only the program itself, but `sh -c 'rpicam-vid | ffmpeg'` starts
/// others.
///
/// The group must be killed before this is dropped.
pub(super) struct Guard {
    shell: Child,
}

impl Guard {
    /// Joins the process group of `leader`, whose exit status must not have been collected.
    ///
    /// # Errors
    /// If there is no shell, or no process can be started.
    pub(super) fn start(leader: Pid) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .process_group(leader.as_raw_nonzero().get())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Otherwise the end of its input would make it kill a group whose ID may have been reused.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
