//! Which devices the running daemon uses, so that other commands cannot test them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel shows the processes.
pub const PROC: &str = "/proc";

/// A process by its ID.
type Pid = u32;

/// Another process of this program, if `is_device` returns true for a file that it has open. Also if its
/// files cannot be seen, because another user runs it.
#[must_use]
pub fn holder(proc: &Path, is_device: impl Fn(&Path) -> bool) -> Option<Pid> {
    let holds = |pid: &Pid| {
        let Ok(files) = fs::read_dir(folder(proc, *pid).join("fd")) else {
            return true;
        };
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| is_device(&target)))
    };
    daemons(proc).into_iter().find(holds)
}

/// Another process of this program, if a child of it runs `command`.
#[must_use]
pub fn runner(proc: &Path, command: &[String]) -> Option<Pid> {
    let daemons = daemons(proc);
    pids(proc)
        .filter(|pid| is_running(proc, *pid, command))
        .filter_map(|pid| parent(proc, pid))
        .find(|parent| daemons.contains(parent))
}

/// All other processes of this program.
fn daemons(proc: &Path) -> Vec<Pid> {
    let is_other = |pid: &Pid| *pid != std::process::id();
    let has_name = |pid: &Pid| {
        let name = fs::read_to_string(folder(proc, *pid).join("comm"));
        name.is_ok_and(|name| name.trim_end() == env!("CARGO_PKG_NAME"))
    };
    pids(proc).filter(is_other).filter(has_name).collect()
}

fn pids(proc: &Path) -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process's command line is a sequence of strings that each end with a zero byte; see
/// proc_pid_cmdline(5).
fn is_running(proc: &Path, pid: Pid, command: &[String]) -> bool {
    let Ok(line) = fs::read(folder(proc, pid).join("cmdline")) else {
        return false;
    };
    let expected: Vec<u8> = command
        .iter()
        .flat_map(|argument| argument.bytes().chain([0]))
        .collect();
    !command.is_empty() && line == expected
}

fn parent(proc: &Path, pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(folder(proc, pid).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

fn folder(proc: &Path, pid: Pid) -> PathBuf {
    proc.join(pid.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    /// Adds a process with this name, command line, parent and open file.
    fn add(proc: &Path, pid: Pid, name: &str, command: &[&str], parent: Pid, file: Option<&str>) {
        let folder = folder(proc, pid);
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
        let line: String = command.iter().map(|argument| format!("{argument}\0")).collect();
        fs::write(folder.join("cmdline"), line).unwrap();
        fs::write(
            folder.join("status"),
            format!("Name:\t{name}\nPid:\t{pid}\nPPid:\t{parent}\n"),
        )
        .unwrap();
        symlink("/dev/null", folder.join("fd/0")).unwrap();
        if let Some(file) = file {
            symlink(file, folder.join("fd/7")).unwrap();
        }
    }

    fn is_camera(path: &Path) -> bool {
        path == Path::new("/dev/video0")
    }

    #[test]
    fn only_the_daemon_that_has_the_device_open_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let proc = folder.path();
        fs::create_dir(proc.join("sys")).unwrap();
        assert_eq!(holder(proc, is_camera), None);
        add(proc, 11, "obs", &["obs"], 1, Some("/dev/video0"));
        add(proc, 12, "affectd", &["affectd", "run"], 1, Some("/dev/video2"));
        let own = std::process::id();
        add(
            proc,
            own,
            "affectd",
            &["affectd", "check"],
            1,
            Some("/dev/video0"),
        );
        assert_eq!(holder(proc, is_camera), None);
        add(proc, 13, "affectd", &["affectd", "run"], 1, Some("/dev/video0"));
        assert_eq!(holder(proc, is_camera), Some(13));
    }

    #[test]
    fn a_daemon_whose_files_cannot_be_seen_counts_as_a_holder() {
        let folder = tempfile::tempdir().unwrap();
        add(folder.path(), 12, "affectd", &["affectd", "run"], 1, None);
        fs::remove_dir_all(folder.path().join("12/fd")).unwrap();
        assert_eq!(holder(folder.path(), is_camera), Some(12));
    }

    #[test]
    fn only_a_child_of_the_daemon_with_the_same_arguments_runs_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let proc = folder.path();
        let camera = ["rpicam-vid", "-n"];
        let command = camera.map(str::to_owned);
        add(proc, 12, "affectd", &["affectd", "run"], 1, None);
        add(proc, 13, "rpicam-vid", &camera, 1, None);
        add(proc, 14, "rpicam-vid", &["rpicam-vid", "-n", "-t", "0"], 12, None);
        assert_eq!(runner(proc, &command), None);
        add(proc, 15, "rpicam-vid", &camera, 12, None);
        assert_eq!(runner(proc, &command), Some(12));
        assert_eq!(runner(proc, &[]), None);
    }
}
