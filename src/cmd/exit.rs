//! Which exit code an error ends the process with.

use affectd_infer::InferError;

use crate::{
    capture::CaptureError,
    config::{ConfigError, NoModels},
    error::{Exit, ExitClass, Unwritable},
    gpio::GpioError,
    http::{ClientError, HttpError},
    model::ModelError,
    publish::{PublishError, PublishErrorKind},
    sense::{detect::DetectError, engine::OpenError},
};

/// Gives each error type its code.
macro_rules! exit {
    ($($error:ty => $exit:ident),* $(,)?) => {
        $(impl ExitClass for $error {
            fn exit(&self) -> Exit {
                Exit::$exit
            }
        })*
    };
}

exit! {
    ConfigError => Config,
    GpioError => Config,
    NoModels => Input,
    ModelError => Input,
    DetectError => Input,
    OpenError => Input,
    InferError => Software,
    ClientError => Software,
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
