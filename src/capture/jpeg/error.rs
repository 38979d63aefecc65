//! What can be wrong with a JPEG picture.

use zune_jpeg::errors::DecodeErrors;

use crate::capture::limits::{MAX_SCANS, MAX_SIDE};

/// Why bytes are not a JPEG picture that can be decoded.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    /// No bytes.
    #[error("it is empty")]
    Empty,
    /// It does not begin with SOI.
    #[error("it begins with {:02X}{:02X}, a JPEG picture with FFD8", .0[0], .0[1])]
    Start([u8; 2]),
    /// The bytes end within the header.
    #[error("the picture is cut off within its header")]
    HeaderCutOff,
    /// A marker segment was expected.
    #[error("there is no marker at byte {0}, where its header needs one")]
    NoMarker(usize),
    /// A marker segment is shorter than its own length field, or longer than its parts.
    #[error("the segment at byte {0} has an invalid length or content")]
    Segment(usize),
    /// Lossless, hierarchical or arithmetic coding.
    #[error(
        "its coding (marker FF{0:02X}) is not supported: baseline, extended and progressive Huffman coding are"
    )]
    Coding(u8),
    /// Progressive coding where it is not allowed.
    #[error("its coding is progressive, which Motion JPEG does not allow")]
    Progressive,
    /// A scan comes before the frame header.
    #[error("it has no frame header before its data")]
    NoFrameHeader,
    /// More than one frame header.
    #[error("it has two frame headers")]
    TwoFrameHeaders,
    /// The size is 0 or too large.
    #[error("the picture has {0}x{1} pixels: 1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed")]
    Size(u32, u32),
    /// The header promises more pixels than the bytes can hold.
    #[error("{bytes} bytes cannot hold a picture of {width}x{height} pixels")]
    TooFewBytes {
        /// Bytes of the picture.
        bytes: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A scan uses a Huffman table that was not defined.
    #[error("a scan uses a Huffman table that is not defined")]
    NoTable,
    /// The data of a scan end before its last block.
    #[error("the picture is cut off: {blocks} of the {expected} blocks of a scan are there")]
    CutOff {
        /// Blocks that were decoded.
        blocks: u64,
        /// Blocks that the scan must have.
        expected: u64,
    },
    /// The data hold a code that is in no table.
    #[error("its data are damaged: block {block} of a scan holds an undefined code")]
    Code {
        /// Index of the block.
        block: u64,
    },
    /// The mean of a block is far above white or below black.
    #[error("its data are damaged: the mean of block {block} of a scan is out of range")]
    Mean {
        /// Index of the block.
        block: u64,
    },
    /// The data of a scan stop before its last block, and padding takes the place of the rest.
    #[error("the picture is cut off: from byte {at} on it is padded with {pattern}")]
    Padded {
        /// Where the padding begins.
        at: usize,
        /// The bytes that are repeated, in hexadecimal.
        pattern: String,
    },
    /// Components are subsampled vertically and in separate scans.
    #[error("its components are in separate scans, which cannot be read with chroma of half the rows")]
    SeparateScans,
    /// The first component has fewer rows than another.
    #[error("its luma has fewer rows than its chroma, which cannot be read")]
    Sampling,
    /// There are too few scans.
    #[error("the picture is cut off: a scan is missing")]
    MissingScan,
    /// There are more scans than any encoder writes.
    #[error("it has more than {MAX_SCANS} scans")]
    ManyScans,
    /// The decoder rejects it.
    #[error("it cannot be decoded")]
    Decode(#[source] DecodeErrors),
}
