//! The Huffman tables of a picture.

use super::{error::JpegError, huffman::Table};

/// The Huffman tables in force: DC and AC, by destination.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
}

impl Tables {
    pub(super) fn dc(&self, index: u8) -> Result<&Table, JpegError> {
        self.dc[usize::from(index & 3)].as_ref().ok_or(JpegError::NoTable)
    }

    pub(super) fn ac(&self, index: u8) -> Result<&Table, JpegError> {
        self.ac[usize::from(index & 3)].as_ref().ok_or(JpegError::NoTable)
    }
}
