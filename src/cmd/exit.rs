//! The exit code of each error type.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use affectd_infer::{InferError, panics::CaughtPanic};
use rustix::io::Errno;

use crate::{
    capture::CaptureError,
    config::{ConfigError, NoModels},
    error::{Exit, ExitClass, Unwritable},
    file::FileError,
    gpio::GpioError,
    http::{ClientError, HttpError},
    model::ModelError,
    publish::{PublishError, PublishErrorKind},
    sense::{detect::DetectError, engine::OpenError},
};

/// Maps each error type to its exit code.
macro_rules! exit {
    ($($error:ty => $exit:ident),* $(,)?) => {
        $(impl ExitClass for $error {
            fn exit(&self) -> Exit {
                if is_shortage(self) { Exit::Software } else { Exit::$exit }
            }
        })*
    };
}

/// Whether the system lacked file descriptors, threads or memory. That may be temporary, but systemd does not
/// restart the unit after the exit codes for a bad file.
fn is_shortage(error: &(dyn Error + 'static)) -> bool {
    // AGAIN: no thread can be started.
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN].map(Errno::raw_os_error);
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref().is_some_and(CaughtPanic::is_shortage) {
            return true;
        }
        let io = match error.downcast_ref() {
            Some(FileError::Io(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        if io.is_some_and(|io| {
            // A buffer that cannot grow has no code of the system.
            let code = io.raw_os_error();
            code.map_or(io.kind() == ErrorKind::OutOfMemory, |code| {
                shortages.contains(&code)
            })
        }) {
            return true;
        }
        next = error.source();
    }
    false
}

exit! {
    ConfigError => Config,
    GpioError => Config,
    NoModels => Input,
    ModelError => Input,
    DetectError => Input,
    OpenError => Input,
    InferError => Software,
    CaptureError => Camera,
    Unwritable => Software,
}

impl ExitClass for ClientError {
    /// Never a shortage: AGAIN is the end of a wait for the server.
    fn exit(&self) -> Exit {
        Exit::Unavailable
    }
}

impl ExitClass for HttpError {
    fn exit(&self) -> Exit {
        if is_shortage(self) {
            return Exit::Software;
        }
        match self {
            Self::File { .. } | Self::Content { .. } | Self::Pem(_) => Exit::Config,
            Self::Start(_) => Exit::Software,
        }
    }
}

impl ExitClass for PublishError {
    fn exit(&self) -> Exit {
        match self.kind {
            PublishErrorKind::Config if is_shortage(self) => Exit::Software,
            PublishErrorKind::Config => Exit::Config,
            PublishErrorKind::Refused | PublishErrorKind::Unreachable | PublishErrorKind::Denied => {
                Exit::Unavailable
            }
            PublishErrorKind::System => Exit::Software,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use affectd_infer::panics::catch_panics;

    use super::*;

    fn unreadable(errno: Errno) -> ModelError {
        ModelError::Read {
            path: PathBuf::from("model.onnx"),
            source: FileError::Io(errno.into()),
        }
    }

    #[test]
    fn a_shortage_is_not_an_input_error() {
        assert_eq!(unreadable(Errno::NOENT).exit(), Exit::Input);
        for shortage in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!(unreadable(shortage).exit(), Exit::Software, "{shortage}");
        }
        let grown = ModelError::Read {
            path: PathBuf::from("model.onnx"),
            source: FileError::Io(ErrorKind::OutOfMemory.into()),
        };
        assert_eq!(grown.exit(), Exit::Software);
        let unlisted = ModelError::List {
            path: PathBuf::new(),
            source: Errno::MFILE.into(),
        };
        assert_eq!(unlisted.exit(), Exit::Software);
    }

    #[test]
    fn a_network_for_which_a_thread_or_memory_lacks_is_not_an_input_error() {
        let path = PathBuf::from("model.onnx");
        let thread = ModelError::from(InferError::Thread {
            path: path.clone(),
            source: Errno::AGAIN.into(),
        });
        assert_eq!(thread.exit(), Exit::Software);
        assert_eq!(OpenError::from(thread).exit(), Exit::Software);
        let worker = ModelError::from(InferError::Run(io::Error::from(Errno::AGAIN).into()));
        assert_eq!(worker.exit(), Exit::Software);
        for (message, exit) in [
            (
                "failed to allocate Layout { size: 65536, align: 64 (1 << 6) }",
                Exit::Software,
            ),
            (
                "failed to allocate Layout { size: 1099511627776, align: 64 (1 << 6) }",
                Exit::Input,
            ),
            ("index 9 of 4", Exit::Input),
        ] {
            let panic = catch_panics("tract", || panic!("{message}")).unwrap_err();
            let unusable = ModelError::from(InferError::Unusable {
                path: path.clone(),
                shape: vec![1],
                source: panic.into(),
            });
            assert_eq!(unusable.exit(), exit, "{message}");
        }
    }

    #[test]
    fn a_daemon_that_does_not_answer_in_time_is_no_shortage() {
        let silent = ClientError::Unreachable {
            address: "[::1]:8080".to_owned(),
            source: Errno::AGAIN.into(),
        };
        assert_eq!(silent.exit(), Exit::Unavailable);
    }
}
