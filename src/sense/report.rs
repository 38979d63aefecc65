//! The result of sensing one frame.

use super::{
    face::{Label, MAX_FACES, TrackedFace},
    frame_quality::FrameQuality,
    scene::Scene,
    visit::{MAX_VISITS, Visit},
    visit_counters::VisitTotals,
};

/// The events of one frame: every visit can end, and every face can appear, become present and change its
/// label.
pub type Events = heapless::Vec<Event, { MAX_VISITS + 3 * MAX_FACES }>;

/// What happened to a track in this frame; published on the event topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A face arrived and was confirmed.
    Appeared {
        /// The new track.
        track: u32,
        /// The lost track whose visit it continues; that track gets no [`Event::Left`].
        continues: Option<u32>,
    },
    /// A face has stayed for `visit.present_s`; once for each visit.
    Present {
        /// The track.
        track: u32,
        /// How long it has stayed, in seconds.
        seconds: f32,
    },
    /// A face has been gone for longer than `visit.gap_s`.
    Left {
        /// The visit's last track.
        track: u32,
        /// The visit.
        visit: Visit,
    },
    /// A track's published label changed.
    Changed {
        /// The track.
        track: u32,
        /// The label before.
        from: Label,
        /// The label now.
        to: Label,
    },
}

/// The result of sensing one frame, or the end of all visits because no frame is current.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The frame's size in pixels, which boxes refer to.
    pub size: (u32, u32),
    /// Light and sharpness of this frame or of one shortly before; `None` before the first measurement and
    /// for a frame too small to measure.
    pub quality: Option<FrameQuality>,
    /// When the frame was captured, on the daemon's monotonic clock. `None` if no frame is current, so
    /// nothing is known of who is in view: frames have stopped, or none can be decoded.
    pub captured: Option<std::time::Duration>,
    /// The tracked faces, the primary one (the largest, with hysteresis) first; empty if they are withheld.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// What changed in this frame; empty if single faces are withheld.
    pub events: Events,
    /// Everyone in view.
    pub scene: Scene,
    /// The visits so far.
    pub visits: VisitTotals,
}
