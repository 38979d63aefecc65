//! The decoded picture that sensing works on.

/// An RGB picture: 8 bits per channel, `width * height * 3` bytes, rows without padding, top row first.
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

    /// Overwrites every pixel that the buffer ever held with zeros and makes the picture empty. Keeps the
    /// allocation.
    pub fn clear(&mut self) {
        self.width = 0;
        self.height = 0;
        wipe(&mut self.rgb);
    }

    /// Swaps the picture's bytes with another buffer. The picture is empty afterwards.
    pub fn swap_bytes(&mut self, buffer: &mut Vec<u8>) {
        std::mem::swap(&mut self.rgb, buffer);
        self.rgb.clear();
        (self.width, self.height) = (0, 0);
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

    /// The bytes, to be changed in place.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The bytes: `R G B` for each pixel, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

/// Overwrites the whole capacity of a buffer with zeros and empties it. Allocates nothing.
pub(crate) fn wipe<T: Copy + Default>(buffer: &mut Vec<T>) {
    buffer.clear();
    buffer.resize(buffer.capacity(), T::default());
    // Keeps the compiler from eliding the writes, which nothing reads.
    std::hint::black_box(buffer.as_mut_slice());
    buffer.clear();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs::File, os::unix::fs::FileExt};

    use super::*;

    /// Bytes of this process, read through the kernel because a vector does not expose memory beyond its
    /// length.
    fn memory_at(address: *const u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, address as u64).unwrap();
        bytes
    }

    #[test]
    fn a_cleared_picture_leaves_no_pixel_in_memory() {
        let mut picture = Picture::default();
        picture.reset(4, 3).fill(9);
        let address = picture.rgb().as_ptr();
        assert_eq!(memory_at(address, 36), [9; 36]);
        picture.reset(2, 1);
        picture.clear();
        assert_eq!(
            (picture.width(), picture.height(), picture.rgb().len()),
            (0, 0, 0)
        );
        assert_eq!(memory_at(address, 36), [0; 36]);
        assert_eq!(picture.reset(4, 3).as_ptr(), address, "the memory is kept");
    }
}
