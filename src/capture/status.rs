//! The camera's state, as subscribers and technicians see it.

use super::source::CaptureKind;

/// Whether frames arrive, and if not, what kind of obstacle there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraStatus {
    /// Frames arrive.
    Ok,
    /// The camera is there but gives no frames.
    Stalled,
    /// It is not there or cannot be opened.
    Missing,
    /// It has no format that can be used, or this process may not use it.
    Unsupported,
    /// It may not look, or the daemon is stopping.
    Disabled,
}

impl CameraStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Stalled,
        Self::Missing,
        Self::Unsupported,
        Self::Disabled,
    ];

    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stalled => "stalled",
            Self::Missing => "missing",
            Self::Unsupported => "unsupported",
            Self::Disabled => "disabled",
        }
    }
}

impl From<CaptureKind> for CameraStatus {
    fn from(kind: CaptureKind) -> Self {
        match kind {
            CaptureKind::Missing | CaptureKind::Ended => Self::Missing,
            CaptureKind::Stalled | CaptureKind::Interrupted => Self::Stalled,
            CaptureKind::Busy | CaptureKind::Denied | CaptureKind::Unsupported | CaptureKind::Corrupt => {
                Self::Unsupported
            }
        }
    }
}
