//! The clock, injected so that a test can replay a day in a second.

use std::{
    env,
    ffi::OsStr,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    error::chain,
    file::{self, FileError},
    text,
};

/// The system's time zone.
const LOCAL_ZONE: &str = "/etc/localtime";

/// The largest file that describes a time zone, in bytes; real ones have a few thousand.
const MAX_ZONE_FILE: u64 = 1 << 20;

/// The source of time of every part of the daemon.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary, fixed start. Includes time during which the machine was suspended.
    fn now(&self) -> Duration;
    /// Wall-clock time, for payloads and logs only, because it may jump.
    fn wall(&self) -> Timestamp;
    /// The local date: a day begins at local midnight.
    fn local_date(&self) -> Date;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    /// The start on the kernel's clock.
    start: Duration,
    time_zone: TimeZone,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: since_boot(),
            time_zone: system_zone(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn local_date(&self) -> Date {
        self.time_zone.to_datetime(self.wall()).date()
    }
}

/// Why a time zone cannot be used.
#[derive(Debug, thiserror::Error)]
enum ZoneError {
    #[error("the environment variable TZ is not UTF-8 text")]
    NotUtf8,
    #[error("cannot read the time zone {}", text::path(.path))]
    Read { path: PathBuf, source: FileError },
    #[error("{} is not a time zone", text::quoted(.name))]
    Invalid { name: String, source: jiff::Error },
}

/// The time zone of the process, which is determined once; UTC if it cannot be used.
fn system_zone() -> TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    let determined = || {
        zone(env::var_os("TZ").as_deref(), Path::new(LOCAL_ZONE)).unwrap_or_else(|error| {
            tracing::warn!("local midnight is that of UTC: {}", chain(&error));
            TimeZone::UTC
        })
    };
    ZONE.get_or_init(determined).clone()
}

/// The time zone that the environment variable TZ describes: an absolute path, a rule of POSIX, or a name of
/// the zoneinfo database. Without the variable, that of the file `local`, or UTC if there is none.
///
/// jiff would open any file that TZ names, and reading a pipe or a device may never end.
fn zone(variable: Option<&OsStr>, local: &Path) -> Result<TimeZone, ZoneError> {
    let Some(variable) = variable else {
        return match zone_of_file(local) {
            Err(ZoneError::Read {
                source: FileError::Io(error),
                ..
            }) if error.kind() == ErrorKind::NotFound => Ok(TimeZone::UTC),
            result => result,
        };
    };
    let text = variable.to_str().ok_or(ZoneError::NotUtf8)?;
    let name = text.strip_prefix(':').unwrap_or(text);
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    if name.starts_with('/') {
        return zone_of_file(Path::new(name));
    }
    // A leading colon means that the name is not a POSIX rule.
    let rule = Some(name).filter(|_| name == text);
    if let Some(zone) = rule.and_then(|rule| TimeZone::posix(rule).ok()) {
        return Ok(zone);
    }
    TimeZone::get(name).map_err(|source| ZoneError::Invalid {
        name: name.to_owned(),
        source,
    })
}

fn zone_of_file(path: &Path) -> Result<TimeZone, ZoneError> {
    let bytes = file::read(path, MAX_ZONE_FILE).map_err(|source| ZoneError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path.to_string_lossy();
    TimeZone::tzif(&name, &bytes).map_err(|source| ZoneError::Invalid {
        name: name.into_owned(),
        source,
    })
}

/// Time since the machine booted. `Instant` stops while the machine is suspended, so results from before
/// would count as recent afterwards.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, process::Command};

    use super::*;

    /// A file with one zone, an hour east of Greenwich.
    fn zone_file() -> Vec<u8> {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        // The numbers of five kinds of entries, none; one type; four characters.
        for count in [0_u32, 0, 0, 0, 1, 4] {
            block.extend(count.to_be_bytes());
        }
        block.extend(3600_i32.to_be_bytes());
        block.extend([0, 0]);
        block.extend(b"CET\0");
        [&block[..], &block, b"\nCET-1\n"].concat()
    }

    fn offset(variable: Option<&str>, local: &Path) -> Result<i32, ZoneError> {
        let zone = zone(variable.map(OsStr::new), local)?;
        Ok(zone.to_offset(Timestamp::UNIX_EPOCH).seconds())
    }

    #[test]
    fn the_zone_is_a_file_a_rule_or_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zone");
        fs::write(&file, zone_file()).unwrap();
        let (path, absent) = (file.to_str().unwrap(), folder.path().join("absent"));
        for (variable, expected) in [
            (path.to_owned(), 3600),
            (format!(":{path}"), 3600),
            ("CET-1CEST,M3.5.0,M10.5.0/3".to_owned(), 3600),
            ("EST5".to_owned(), -5 * 3600),
            ("UTC".to_owned(), 0),
            (":UTC".to_owned(), 0),
            (String::new(), 0),
        ] {
            assert_eq!(offset(Some(&variable), &absent).unwrap(), expected, "{variable}");
        }
        assert_eq!(offset(None, &file).unwrap(), 3600);
        assert_eq!(offset(None, &absent).unwrap(), 0);
    }

    #[test]
    fn pipes_devices_and_large_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (pipe, large, text) = (at("pipe"), at("large"), at("text"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::File::create(&large)
            .unwrap()
            .set_len(MAX_ZONE_FILE + 1)
            .unwrap();
        fs::write(&text, "Europe/Berlin\n").unwrap();
        let absent = folder.path().join("absent");
        for (variable, words) in [
            ("/dev/zero", "it is a device"),
            (":/dev/zero", "it is a device"),
            (&pipe, "it is a named pipe"),
            (&large, "it is larger than 1024 KiB"),
            (&text, "is not a time zone"),
            (&at("absent"), "No such file"),
            // Relative names never refer to the working folder.
            ("../../../../../../../../dev/zero", "is not a time zone"),
            ("Cargo.toml", "is not a time zone"),
        ] {
            let error = chain(&offset(Some(variable), &absent).unwrap_err());
            assert!(error.contains(words), "{variable}: {error}");
        }
        assert!(offset(None, Path::new(&pipe)).is_err());
        assert!(offset(None, Path::new("/dev/zero")).is_err());
    }
}
