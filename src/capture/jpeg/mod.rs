//! JPEG pictures (ITU-T T.81): Motion JPEG, one picture per frame and often without Huffman tables, and
//! photographs.
//!
//! A picture is complete if every block of it can be decoded, whatever its markers say: half a picture may
//! end in an EOI, and many cameras send none. Padding in the place of blocks does not count, although it
//! often decodes: drivers report the size of their buffer after a transfer that was cut off. What follows the
//! data (padding, a second EOI, the video of a motion photo, the next picture of an MPO file) is not part of
//! the picture. The same rule applies to files, programs and cameras.

mod bits;
mod check;
mod error;
mod header;
mod huffman;
mod luma;
mod scan;
mod standard_tables;
mod tables;
#[cfg(test)]
mod tests;

use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use crate::{capture::limits::MAX_SIDE, luma::LumaGrid, picture::Picture};
use standard_tables::STANDARD_TABLES;

pub use check::{Coding, Complete};
pub use error::JpegError;

/// Decodes JPEG pictures.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The picture, completed with the Huffman tables and the EOI that it lacks.
    completed: Vec<u8>,
}

impl Decoder {
    /// Decodes the picture at the start of `data` into `picture`, in full range as JFIF specifies.
    ///
    /// # Errors
    /// [`JpegError`] if it is not a complete picture in a coding that is accepted. The content of `picture`
    /// is then unspecified.
    pub fn decode(&mut self, data: &[u8], coding: Coding, picture: &mut Picture) -> Result<(), JpegError> {
        let complete = check::check(data, coding, None)?;
        self.decode_complete(data, &complete, picture)
    }

    /// Decodes the picture at the start of `data` that [`measure`] found complete.
    ///
    /// # Errors
    /// [`JpegError::Decode`] if the decoder rejects it nevertheless. The content of `picture` is then
    /// unspecified.
    pub fn decode_complete(
        &mut self,
        data: &[u8],
        complete: &Complete,
        picture: &mut Picture,
    ) -> Result<(), JpegError> {
        let whole = &data[..complete.end];
        let bytes = match complete.needs_tables_at {
            None if data[complete.end..].starts_with(&EOI) => &data[..complete.end + EOI.len()],
            tables_at => {
                self.completed.clear();
                let (header, scan) = whole.split_at(tables_at.unwrap_or(0));
                self.completed.extend_from_slice(header);
                if tables_at.is_some() {
                    self.completed.extend_from_slice(&STANDARD_TABLES);
                }
                self.completed.extend_from_slice(scan);
                self.completed.extend_from_slice(&EOI);
                &self.completed
            }
        };
        let options = DecoderOptions::new_fast()
            .set_strict_mode(true)
            .set_max_width(MAX_SIDE as usize)
            .set_max_height(MAX_SIDE as usize)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(JpegError::Decode)?;
        let expected = (complete.width as usize, complete.height as usize);
        if decoder.dimensions() != Some(expected) || decoder.output_colorspace() != Some(ColorSpace::RGB) {
            return Err(JpegError::Decode(DecodeErrors::FormatStatic(
                "its size or colours are not those of its header",
            )));
        }
        decoder
            .decode_into(picture.reset(complete.width, complete.height))
            .map_err(JpegError::Decode)?;
        Ok(())
    }

    /// Overwrites all data kept from the last picture.
    pub fn clear(&mut self) {
        crate::picture::wipe(&mut self.completed);
    }
}

const EOI: [u8; 2] = [0xFF, 0xD9];

/// Checks that the picture at the start of `data` is complete, and measures its luma without decoding it. The
/// grid is empty if the coding does not show the luma of each block.
///
/// # Errors
/// [`JpegError`] if it is not a complete picture in a coding that is accepted.
pub fn measure(data: &[u8], coding: Coding, luma: &mut LumaGrid) -> Result<Complete, JpegError> {
    check::check(data, coding, Some(luma))
}

/// The TIFF structure of the EXIF data in the header of the picture at the start of `data`.
#[must_use]
pub fn exif(data: &[u8]) -> Option<&[u8]> {
    check::exif(data)
}

/// Width and height of the picture at the start of `data`, if its header is there.
#[must_use]
pub fn size(data: &[u8]) -> Option<(u32, u32)> {
    check::size(data)
}
