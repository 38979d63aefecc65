//! Bounds on the size of frames, and so on memory.

/// Larger buffers are not kept for reuse: four of them would not fit into the memory of a small board.
pub const MAX_REUSED_BYTES: usize = 32 << 20;

/// Largest accepted width and height of a frame or picture, in pixels: a bound on memory.
pub const MAX_SIDE: u32 = 8192;

/// The most scans of a JPEG picture; the decoder has the same limit. A scan of a hundred bytes may describe
/// every block of the largest picture, so thousands would take minutes.
pub const MAX_SCANS: u32 = 100;
