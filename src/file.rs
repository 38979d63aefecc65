//! Reading files that settings and manifests name: regular files only, up to a size limit.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// The byte order mark in UTF-8.
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system reports an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Reading it may block, never end or have side effects.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// It is larger than any useful file there.
    #[error("it is larger than {} KiB", .0 / 1024)]
    TooLarge(u64),
    /// It is not UTF-8 text.
    #[error("it is not UTF-8 text (byte {0})")]
    NotUtf8(usize),
}

/// Opens a regular file of at most `max` bytes. `/dev/null` counts as an empty file.
///
/// # Errors
/// [`FileError`]. Neither named pipes nor devices are opened: both may block, and opening a device may have
/// side effects.
pub fn open(path: &Path, max: u64) -> Result<File, FileError> {
    check(path, &fs::metadata(path)?, max)?;
    // The path may refer to another file by now: do not wait for the other end of a pipe, and check again.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    check(path, &file.metadata()?, max)?;
    Ok(file)
}

fn check(path: &Path, metadata: &fs::Metadata, max: u64) -> Result<(), FileError> {
    if !metadata.is_file() && path != Path::new("/dev/null") {
        return Err(FileError::NotRegular(kind(metadata.file_type())));
    }
    if metadata.len() > max {
        return Err(FileError::TooLarge(max));
    }
    Ok(())
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a named pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    // Files in /proc report a size of 0, and other files may grow.
    open(path, max)?
        .take(max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(FileError::TooLarge(max));
    }
    Ok(bytes)
}

/// The content of a text file without the byte order mark with which some editors begin it.
#[must_use]
pub fn without_bom(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(UTF8_BOM) {
        bytes.drain(..UTF8_BOM.len());
    }
    bytes
}

/// Reads a regular file of at most `max` bytes of UTF-8 text.
///
/// # Errors
/// [`FileError`].
pub fn read_text(path: &Path, max: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, max)?).map_err(|error| FileError::NotUtf8(error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    #[test]
    fn regular_files_up_to_the_limit_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abcd").unwrap();
        assert_eq!(read(file.path(), 4).unwrap(), b"abcd");
        assert!(matches!(read(file.path(), 3), Err(FileError::TooLarge(3))));
        assert_eq!(read_text(file.path(), 4).unwrap(), "abcd");
        fs::write(file.path(), b"ab\xff").unwrap();
        assert!(matches!(read_text(file.path(), 4), Err(FileError::NotUtf8(2))));
        assert_eq!(read(Path::new("/dev/null"), 4).unwrap(), b"");
        // The size of files in /proc is not known beforehand.
        assert!(!read(Path::new("/proc/self/stat"), 4096).unwrap().is_empty());
        assert!(matches!(
            read(Path::new("/proc/self/stat"), 8),
            Err(FileError::TooLarge(8))
        ));
    }

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for (path, kind) in [
            (pipe.as_path(), "a named pipe"),
            (&link, "a device"),
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a directory"),
        ] {
            match read(path, 100) {
                Err(FileError::NotRegular(found)) => assert_eq!(found, kind),
                other => panic!("{}: {other:?}", path.display()),
            }
        }
        let gone = read(&folder.path().join("gone"), 100);
        assert!(matches!(gone, Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound));
    }
}
