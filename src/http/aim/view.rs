//! What the page learns about the session.

use serde::Serialize;

/// The state that the page requests first.
#[derive(Debug, Serialize)]
pub struct AimView {
    /// Whether the page shows nothing without a code.
    pub needs_code: bool,
    /// What the code has opened; `null` until it is entered.
    pub opened: Option<OpenedView>,
}

/// What the code has opened.
#[derive(Debug, Serialize)]
pub struct OpenedView {
    /// Whether pictures can be requested.
    pub preview: bool,
    /// Seconds until the session ends.
    pub seconds_left: f32,
}
