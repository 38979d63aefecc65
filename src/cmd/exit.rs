//! The exit code of each error type.

use std::{error::Error, io};

use affectd_infer::InferError;
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

/// Whether the system lacked file descriptors or memory. That may be temporary, but systemd does not restart
/// the unit after the exit codes for a bad file.
fn is_shortage(error: &(dyn Error + 'static)) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
    let mut next = Some(error);
    while let Some(error) = next {
        let io = match error.downcast_ref() {
            Some(FileError::Io(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        if io
            .and_then(io::Error::raw_os_error)
            .is_some_and(|code| shortages.contains(&code))
        {
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
    ClientError => Broker,
    CaptureError => Camera,
    Unwritable => Software,
}

impl ExitClass for HttpError {
    fn exit(&self) -> Exit {
        match self {
            Self::File { .. } | Self::Content { .. } => Exit::Config,
            Self::Start(_) => Exit::Software,
        }
    }
}

impl ExitClass for PublishError {
    fn exit(&self) -> Exit {
        match self.kind {
            PublishErrorKind::Config => Exit::Config,
            PublishErrorKind::Refused | PublishErrorKind::Unreachable | PublishErrorKind::Denied => {
                Exit::Broker
            }
            PublishErrorKind::System => Exit::Software,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
        let unlisted = ModelError::List {
            path: PathBuf::new(),
            source: Errno::MFILE.into(),
        };
        assert_eq!(unlisted.exit(), Exit::Software);
    }
}
