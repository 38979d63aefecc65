//! The camera's state, as subscribers and technicians see it.

use super::source::CaptureKind;

/// Whether frames arrive and, if not, what prevents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraStatus {
    /// Frames arrive.
    Ok,
    /// The camera is there but gives no frames.
    Stalled,
    /// The camera is not there or cannot be opened.
    Missing,
    /// The camera cannot be used: it is busy, has no usable format, delivers damaged frames, or this process
    /// is not permitted to use it.
    Unsupported,
    /// Privacy is on, or the daemon is stopping.
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
