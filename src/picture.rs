//! The decoded picture that sensing works on.

/// An RGB picture: 8 bits a channel, `width * height * 3` bytes, rows without padding, top row first.
///
/// The buffer is kept from frame to frame; [`Picture::reset`] only allocates when a picture is larger
/// than any before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Makes this a picture of the given size and returns its bytes, whose content is unspecified.
    pub fn reset(&mut self, width: u32, height: u32) -> &mut [u8] {
        self.width = width;
        self.height = height;
        self.rgb.resize(width as usize * height as usize * 3, 0);
        &mut self.rgb
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes: `R G B` for each pixel, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}
