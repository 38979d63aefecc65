//! The camera's picture as JPEG.

use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

use crate::{picture::wipe, preview::Snapshot};

/// Good enough to aim by, small enough for an SSH tunnel over a slow link.
const QUALITY: u8 = 70;

/// Bytes that are overwritten with zeros on drop.
#[derive(Debug)]
pub struct Wiped(Vec<u8>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Encodes a picture; `None` if it has no pixels.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Option<Wiped> {
    let picture = snapshot.picture();
    // Large enough for any picture: growing the buffer would leave unwiped copies behind.
    let mut bytes = Wiped(Vec::with_capacity(picture.rgb().len() + 4096));
    let (width, height) = (picture.width(), picture.height());
    JpegEncoder::new_with_quality(&mut bytes.0, QUALITY)
        .encode(picture.rgb(), width, height, ExtendedColorType::Rgb8)
        .ok()?;
    Some(bytes)
}
