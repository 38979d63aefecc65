//! The regions of the picture that are searched in turn.
//!
//! A network of 320 pixels sees a picture of 640 at half its size and misses faces narrower than 30 pixels; a
//! network of 640 pixels costs four times as much per search. So the whole picture is searched with the small
//! network, and between two such searches one of its overlapping quarters, in turn: near faces are found
//! within one interval, distant ones within four (models/detectors.md has the figures).

use super::{detect::Detector, geometry::Rect};

/// Width and height of a quarter as fractions of the picture's; more than half, so a face cut by one
/// quarter's edge lies entirely within another.
const QUARTER: f32 = 0.55;

/// A region of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchRegion {
    /// All of it.
    Whole,
    /// A corner: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
    Quarter(u8),
}

impl SearchRegion {
    /// How many regions there are.
    pub const COUNT: usize = 5;

    /// All regions, the whole first.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Whole,
        Self::Quarter(0),
        Self::Quarter(1),
        Self::Quarter(2),
        Self::Quarter(3),
    ];

    /// Whether searching quarters resolves more than searching the whole of a picture of this width and
    /// height: only if the network shrinks the picture.
    #[must_use]
    pub fn quarters_help((width, height): (u32, u32), detector: &dyn Detector) -> bool {
        let (input_width, input_height) = detector.input_size();
        width as usize > input_width || height as usize > input_height
    }

    /// The position in [`SearchRegion::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Quarter(corner) => 1 + usize::from(corner),
        }
    }

    /// Where it lies in a picture of this size, in pixels.
    #[must_use]
    pub fn rect(self, width: u32, height: u32) -> Rect {
        let (width, height) = (width as f32, height as f32);
        match self {
            Self::Whole => Rect {
                x: 0.0,
                y: 0.0,
                width,
                height,
            },
            Self::Quarter(corner) => Rect {
                x: f32::from(corner % 2) * (1.0 - QUARTER) * width,
                y: f32::from(corner / 2) * (1.0 - QUARTER) * height,
                width: QUARTER * width,
                height: QUARTER * height,
            },
        }
    }
}
