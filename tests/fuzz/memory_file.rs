//! A file in memory, for readers that take a path.

use std::{
    fs::File,
    io::Write as _,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, memfd_create};

/// A regular file that no folder lists.
pub struct MemoryFile {
    path: PathBuf,
    _file: File,
}

impl MemoryFile {
    pub fn new(bytes: &[u8]) -> Self {
        let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        Self {
            path: format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
            _file: file,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
