//! Turns pictures upright.

use super::limits::MAX_REUSED_BYTES;
use crate::{luma::LumaGrid, picture::Picture};

/// Quarter turns clockwise, then an optional reflection. The eight orientations of EXIF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Quarter turns clockwise, 0 to 3.
    quarters: u8,
    /// Whether left and right are swapped after the rotation.
    is_mirrored: bool,
}

impl Orientation {
    /// A clockwise rotation by `degrees`, a multiple of 90, followed by a horizontal reflection if
    /// `is_mirrored`.
    #[must_use]
    pub fn new(degrees: u32, is_mirrored: bool) -> Self {
        Self {
            quarters: (degrees / 90 % 4) as u8,
            is_mirrored,
        }
    }

    /// The orientation that a photograph needs, from the TIFF structure of its EXIF data (CIPA DC-008, 4.6:
    /// tag 0x0112 of the first directory, in either byte order). The standard specifies SHORT, but BYTE and
    /// LONG occur too. `None` if the tag is missing or not 1 to 8.
    #[must_use]
    pub fn from_exif(tiff: &[u8]) -> Option<Self> {
        // Some PNG and WebP writers keep the prefix of the JPEG segment.
        let tiff = tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff);
        let is_big_endian = match tiff.first_chunk()? {
            b"MM\0\x2A" => true,
            b"II\x2A\0" => false,
            _ => return None,
        };
        let bytes = |at: usize, count: usize| tiff.get(at..at.checked_add(count)?);
        let number = |at: usize, count: usize| {
            let bytes = bytes(at, count)?.iter();
            let join = |value: u32, &byte: &u8| value << 8 | u32::from(byte);
            Some(if is_big_endian {
                bytes.fold(0, join)
            } else {
                bytes.rev().fold(0, join)
            })
        };
        let directory = usize::try_from(number(4, 4)?).ok()?;
        let entries = number(directory, 2)? as usize;
        let entry = (0..entries)
            .map_while(|index| directory.checked_add(2 + 12 * index))
            .take_while(|&entry| entry < tiff.len())
            .find(|&entry| number(entry, 2) == Some(0x0112))?;
        let size = match number(entry + 2, 2)? {
            1 | 6 => 1,
            3 | 8 => 2,
            4 | 9 => 4,
            _ => return None,
        };
        let (quarters, is_mirrored) = match number(entry + 8, size)? {
            1 => (0, false),
            2 => (0, true),
            3 => (2, false),
            4 => (2, true),
            5 => (1, true),
            6 => (1, false),
            7 => (3, true),
            8 => (3, false),
            _ => return None,
        };
        Some(Self {
            quarters,
            is_mirrored,
        })
    }

    /// Whether width and height are swapped.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        self.quarters % 2 == 1
    }

    /// Rotates and mirrors `picture`. `scratch` is a buffer that is reused from picture to picture.
    pub fn apply(self, picture: &mut Picture, scratch: &mut Vec<u8>) {
        if self.swaps_sides() {
            self.transpose(picture, scratch);
            return;
        }
        let width = picture.width() as usize;
        if width == 0 {
            return;
        }
        let (pixels, _) = picture.rgb_mut().as_chunks_mut::<3>();
        self.reverse(pixels, width);
    }

    /// Turns a luma grid as [`Orientation::apply`] turns its picture. If the picture's size is not a multiple
    /// of the cell size, the resulting cells are off by less than one cell. `scratch` is a buffer that is
    /// reused from grid to grid.
    pub fn apply_to_luma(self, grid: &mut LumaGrid, scratch: &mut Vec<i16>) {
        let columns = grid.columns();
        if columns == 0 {
            if self.swaps_sides() {
                grid.reset_unknown(grid.height(), grid.width());
            }
            return;
        }
        if !self.swaps_sides() {
            self.reverse(grid.cells_mut(), columns);
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(grid.cells());
        let rows = scratch.len() / columns;
        let cells = grid.reset(grid.height(), grid.width());
        self.transpose_into(scratch, (columns, rows), cells);
    }

    /// Reverses pixels and rows of `width` pixels, for the orientations that do not swap the sides.
    fn reverse<T>(self, pixels: &mut [T], width: usize) {
        // A half turn reverses all pixels; combined with a reflection, it reverses the order of the rows.
        match (self.quarters, self.is_mirrored) {
            (0, true) => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
            (2, false) => pixels.reverse(),
            (2, true) => {
                pixels.reverse();
                pixels.chunks_exact_mut(width).for_each(<[_]>::reverse);
            }
            _ => {}
        }
    }

    fn transpose(self, picture: &mut Picture, scratch: &mut Vec<u8>) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if picture.rgb().len() > MAX_REUSED_BYTES {
            self.transpose_in_place(picture, width, height);
            return;
        }
        scratch.clear();
        scratch.extend_from_slice(picture.rgb());
        let (from, _) = scratch.as_chunks::<3>();
        let (to, _) = picture.reset(height as u32, width as u32).as_chunks_mut::<3>();
        self.transpose_into(from, (width, height), to);
    }

    /// Writes `from`, of the given width and height, to `to`, with the sides swapped.
    fn transpose_into<T: Copy>(self, from: &[T], (width, height): (usize, usize), to: &mut [T]) {
        // Row y of the result is column y of the source, read from the bottom up for a clockwise turn.
        let (to_left, is_downwards) = match (self.quarters, self.is_mirrored) {
            (1, is_mirrored) => (false, is_mirrored),
            (_, is_mirrored) => (true, !is_mirrored),
        };
        for (y, row) in to.chunks_exact_mut(height.max(1)).enumerate() {
            let column = if to_left { width - 1 - y } else { y };
            for (x, pixel) in row.iter_mut().enumerate() {
                let line = if is_downwards { x } else { height - 1 - x };
                *pixel = from[line * width + column];
            }
        }
    }

    /// Does the same without a copy of the picture. Slower, because the accesses are far apart.
    fn transpose_in_place(self, picture: &mut Picture, width: usize, height: usize) {
        let (pixels, _) = picture.reset(height as u32, width as u32).as_chunks_mut::<3>();
        transpose_in_place(pixels, width, height);
        match (self.quarters, self.is_mirrored) {
            (1, true) => {}
            (1, false) => pixels.chunks_exact_mut(height).for_each(<[_]>::reverse),
            (_, true) => pixels.reverse(),
            (_, false) => {
                pixels.chunks_exact_mut(height).for_each(<[_]>::reverse);
                pixels.reverse();
            }
        }
    }
}

/// Transposes `height` rows of `width` pixels. A pixel's new position holds another pixel, which moves in
/// turn, until the cycle is closed. Needs one bit per pixel.
fn transpose_in_place(pixels: &mut [[u8; 3]], width: usize, height: usize) {
    let mut moved = vec![0_u64; pixels.len().div_ceil(64)];
    for start in 0..pixels.len() {
        if moved[start / 64] >> (start % 64) & 1 == 1 {
            continue;
        }
        let mut pixel = pixels[start];
        let mut at = start;
        loop {
            at = at % width * height + at / width;
            std::mem::swap(&mut pixel, &mut pixels[at]);
            moved[at / 64] |= 1 << (at % 64);
            if at == start {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Pixels of three equal bytes, row by row.
    fn picture(width: u32, pixels: &[u8]) -> Picture {
        let mut picture = Picture::default();
        let height = pixels.len() as u32 / width;
        let bytes: Vec<u8> = pixels.iter().flat_map(|&pixel| [pixel; 3]).collect();
        picture.reset(width, height).copy_from_slice(&bytes);
        picture
    }

    /// The eight orientations of EXIF, from a picture that is stored as
    /// 1 2 3
    /// 4 5 6
    #[test]
    fn every_orientation_turns_the_picture_upright() {
        for (exif, width, upright) in [
            (1_u8, 3, [1, 2, 3, 4, 5, 6]),
            (2, 3, [3, 2, 1, 6, 5, 4]),
            (3, 3, [6, 5, 4, 3, 2, 1]),
            (4, 3, [4, 5, 6, 1, 2, 3]),
            (5, 2, [1, 4, 2, 5, 3, 6]),
            (6, 2, [4, 1, 5, 2, 6, 3]),
            (7, 2, [6, 3, 5, 2, 4, 1]),
            (8, 2, [3, 6, 2, 5, 1, 4]),
        ] {
            let orientation = Orientation::from_exif(&tiff(true, 3, exif)).unwrap();
            let mut turned = picture(3, &[1, 2, 3, 4, 5, 6]);
            orientation.apply(&mut turned, &mut Vec::new());
            assert_eq!(turned, picture(width, &upright), "orientation {exif}");
            assert_eq!(orientation.swaps_sides(), width == 2);
        }
    }

    #[test]
    fn large_pictures_are_turned_in_place_with_the_same_result() {
        for (width, height) in [(1, 1), (1, 9), (7, 1), (4, 4), (3, 8), (12, 5)] {
            let pixels: Vec<u8> = (0..width * height).map(|pixel| pixel as u8).collect();
            for (degrees, is_mirrored) in [(90, false), (90, true), (270, false), (270, true)] {
                let orientation = Orientation::new(degrees, is_mirrored);
                let (mut copied, mut in_place) = (picture(width, &pixels), picture(width, &pixels));
                orientation.transpose(&mut copied, &mut Vec::new());
                orientation.transpose_in_place(&mut in_place, width as usize, height as usize);
                assert_eq!(in_place, copied, "{width}x{height}, {degrees} {is_mirrored}");
            }
        }
    }

    #[test]
    fn degrees_turn_clockwise_before_the_reflection() {
        for (degrees, is_mirrored, width, turned) in [
            (90, false, 2, [4, 1, 5, 2, 6, 3]),
            (180, false, 3, [6, 5, 4, 3, 2, 1]),
            (270, false, 2, [3, 6, 2, 5, 1, 4]),
            (0, true, 3, [3, 2, 1, 6, 5, 4]),
            (90, true, 2, [1, 4, 2, 5, 3, 6]),
        ] {
            let mut picture_ = picture(3, &[1, 2, 3, 4, 5, 6]);
            Orientation::new(degrees, is_mirrored).apply(&mut picture_, &mut Vec::new());
            assert_eq!(picture_, picture(width, &turned), "{degrees} {is_mirrored}");
        }
    }

    #[test]
    fn a_luma_grid_turns_as_its_picture_does() {
        for degrees in [0, 90, 180, 270] {
            for is_mirrored in [false, true] {
                let orientation = Orientation::new(degrees, is_mirrored);
                let mut turned = picture(3, &[1, 2, 3, 4, 5, 6]);
                orientation.apply(&mut turned, &mut Vec::new());
                let mut grid = LumaGrid::default();
                grid.reset(24, 16).copy_from_slice(&[1, 2, 3, 4, 5, 6]);
                orientation.apply_to_luma(&mut grid, &mut Vec::new());
                let expected: Vec<i16> = turned.rgb().chunks(3).map(|pixel| pixel[0].into()).collect();
                assert_eq!(grid.cells(), expected, "{degrees} {is_mirrored}");
                assert_eq!(
                    (grid.width(), grid.height()),
                    (turned.width() * 8, turned.height() * 8)
                );
                grid.reset_unknown(24, 16);
                orientation.apply_to_luma(&mut grid, &mut Vec::new());
                assert_eq!(
                    (grid.width(), grid.height()),
                    (turned.width() * 8, turned.height() * 8)
                );
            }
        }
    }

    /// A TIFF structure with another entry before the orientation's.
    fn tiff(is_big_endian: bool, kind: u16, value: u8) -> Vec<u8> {
        let short = |value: u16| {
            if is_big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let long = |value: u32| {
            if is_big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut tiff = if is_big_endian {
            b"MM".to_vec()
        } else {
            b"II".to_vec()
        };
        tiff.extend_from_slice(&short(42));
        // The directory need not follow immediately.
        tiff.extend_from_slice(&long(12));
        tiff.extend_from_slice(&[0; 4]);
        tiff.extend_from_slice(&short(2));
        for (tag, kind, value) in [(0x0100, 4, 640), (0x0112, kind, u32::from(value))] {
            tiff.extend_from_slice(&short(tag));
            tiff.extend_from_slice(&short(kind));
            tiff.extend_from_slice(&long(1));
            match kind {
                1 => tiff.extend_from_slice(&[value as u8, 0, 0, 0]),
                3 => {
                    tiff.extend_from_slice(&short(value as u16));
                    tiff.extend_from_slice(&[0; 2]);
                }
                _ => tiff.extend_from_slice(&long(value)),
            }
        }
        tiff
    }

    #[test]
    fn exif_in_every_encoding() {
        for is_big_endian in [true, false] {
            for kind in [1, 3, 4] {
                let plain = tiff(is_big_endian, kind, 6);
                let prefixed = [b"Exif\0\0", plain.as_slice()].concat();
                for tiff in [plain, prefixed] {
                    assert_eq!(Orientation::from_exif(&tiff), Some(Orientation::new(90, false)));
                }
            }
        }
        for value in [0, 9] {
            assert_eq!(Orientation::from_exif(&tiff(true, 3, value)), None);
        }
        assert_eq!(Orientation::from_exif(&tiff(true, 2, 6)), None);
        let whole = tiff(false, 3, 6);
        for length in 0..whole.len() - 2 {
            assert_eq!(Orientation::from_exif(&whole[..length]), None, "{length}");
        }
    }
}
