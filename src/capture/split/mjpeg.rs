//! Concatenated JPEG pictures: each extends from its SOI to its EOI or, if it has none, to the next SOI
//! (ITU-T T.81, annex B). Decoding shows whether it is complete.

use std::ops::Range;

use super::Split;

/// Walks through one picture; the position is kept between calls, so no byte is examined twice.
#[derive(Debug, Default)]
pub struct Splitter {
    at: usize,
    state: State,
    /// Whether a scan has begun.
    has_data: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    /// Looking for SOI.
    #[default]
    Outside,
    /// At a marker segment. Its length is honoured: a thumbnail within it has an EOI of its own.
    Segments,
    /// In entropy-coded data, where FF is followed by 0 or a restart marker.
    Data,
}

impl Splitter {
    /// Whether the walk has passed the header of a scan.
    pub(super) fn has_data(&self) -> bool {
        self.has_data
    }

    /// The bytes of a picture that has begun and will not be examined again: not the SOI.
    pub(super) fn examined(&self) -> Range<usize> {
        2..self.at.max(2)
    }

    pub(super) fn find(&mut self, bytes: &[u8]) -> Split {
        let found = self.walk(bytes);
        if found != Split::More {
            *self = Self::default();
        }
        found
    }

    fn walk(&mut self, bytes: &[u8]) -> Split {
        loop {
            match self.state {
                State::Outside => {
                    if bytes.is_empty() || bytes == [0xFF] {
                        return Split::More;
                    }
                    if bytes.starts_with(&[0xFF, 0xD8]) {
                        self.state = State::Segments;
                        self.at = 2;
                        continue;
                    }
                    let start = bytes.windows(2).position(|pair| pair == [0xFF, 0xD8]);
                    // The last byte may be the first half of the marker.
                    let half = usize::from(bytes.ends_with(&[0xFF]));
                    return Split::Skip(start.unwrap_or(bytes.len() - half));
                }
                State::Segments => {
                    let Some(&[first, marker]) = bytes.get(self.at..self.at + 2) else {
                        return Split::More;
                    };
                    if first != 0xFF {
                        return self.lost(bytes, "there is no marker where it needs one");
                    }
                    match marker {
                        0xFF => self.at += 1,
                        0xD9 => return self.picture(self.at + 2),
                        0xD8 if self.has_data => return self.picture(self.at),
                        0xD8 => return self.lost(bytes, "the next begins within its header"),
                        0x01 | 0xD0..=0xD7 => self.at += 2,
                        _ => {
                            let Some(&[high, low]) = bytes.get(self.at + 2..self.at + 4) else {
                                return Split::More;
                            };
                            let length = usize::from(u16::from_be_bytes([high, low]));
                            if length < 2 {
                                return self.lost(bytes, "a segment has no length");
                            }
                            if marker == 0xDA {
                                self.state = State::Data;
                                self.has_data = true;
                            }
                            self.at += 2 + length;
                        }
                    }
                }
                State::Data => {
                    let Some(rest) = bytes.get(self.at..) else {
                        return Split::More;
                    };
                    let Some(escape) = rest.iter().position(|&byte| byte == 0xFF) else {
                        self.at = bytes.len();
                        return Split::More;
                    };
                    self.at += escape;
                    match bytes.get(self.at + 1) {
                        None => return Split::More,
                        Some(0xFF) => self.at += 1,
                        Some(0 | 0xD0..=0xD7) => self.at += 2,
                        Some(_) => self.state = State::Segments,
                    }
                }
            }
        }
    }

    fn picture(&self, end: usize) -> Split {
        Split::Frame { body: 0..end, end }
    }

    /// Skips a damaged picture. The length of a truncated segment may lead past the start of the next
    /// picture, so the search for the next picture starts right after the SOI.
    fn lost(&self, bytes: &[u8], why: &str) -> Split {
        let skipped = &bytes[2..(self.at + 2).min(bytes.len())];
        let next = skipped.windows(2).position(|pair| pair == [0xFF, 0xD8]);
        let count = next.map_or(self.at, |next| next + 2);
        Split::Damaged(count, format!("a JPEG picture is cut off or damaged: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = &[
        0xFF, 0xD8, // start
        0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9, // a thumbnail within a segment
        0xFF, 0xFF, 0xDA, 0, 2, // fill byte, start of scan
        1, 2, 0xFF, 0, 3, 0xFF, 0xD0, 4, 0xFF, 0xD9, // data, an escaped FF, a restart marker, the end
    ];

    /// Feeds `bytes` in pieces of `step` and returns the bodies of the frames and the number of broken ones.
    fn split(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, usize) {
        let mut splitter = Splitter::default();
        let (mut start, mut known, mut frames, mut broken) = (0, 0, Vec::new(), 0);
        loop {
            match splitter.find(&bytes[start..known]) {
                Split::More if known == bytes.len() => return (frames, broken),
                Split::More => known = (known + step).min(bytes.len()),
                Split::Skip(n) => start += n,
                Split::Damaged(n, _) => {
                    broken += 1;
                    start += n;
                }
                Split::Frame { body, end } => {
                    frames.push(bytes[start..][body].to_vec());
                    start += end;
                }
            }
        }
    }

    #[test]
    fn finds_pictures_however_the_bytes_arrive() {
        let stream = [b"junk", PICTURE, &[0, 0, 0xFF], PICTURE].concat();
        for step in 1..stream.len() {
            assert_eq!(
                split(&stream, step),
                (vec![PICTURE.to_vec(); 2], 0),
                "step {step}"
            );
        }
    }

    #[test]
    fn a_picture_after_a_truncated_one_is_found() {
        // Within its header, where a length points into the next picture.
        for cut in [6, 12] {
            let stream = [&PICTURE[..cut], PICTURE, PICTURE].concat();
            for step in 1..stream.len() {
                let (frames, broken) = split(&stream, step);
                assert_eq!(
                    frames.last().map(Vec::as_slice),
                    Some(PICTURE),
                    "cut {cut}, step {step}"
                );
                assert!(broken > 0);
            }
        }
    }

    #[test]
    fn a_picture_without_an_end_ends_at_the_next() {
        let unended = &PICTURE[..PICTURE.len() - 2];
        let stream = [unended, unended, PICTURE].concat();
        for step in 1..stream.len() {
            let (frames, broken) = split(&stream, step);
            assert_eq!(frames, [unended, unended, PICTURE], "step {step}");
            assert_eq!(broken, 0);
        }
    }
}
