//! EXIF data in PNG pictures.

use std::{borrow::Cow, io::Read as _};

use flate2::read::ZlibDecoder;

/// The longest text of a profile, in bytes: EXIF data in a JPEG segment, two digits a byte and line breaks.
const MAX_PROFILE: u64 = 3 * (64 << 10);

/// The most text chunks that are tried: each may have to be decompressed.
const MAX_PROFILES: usize = 16;

/// The keywords of the text chunks in which ImageMagick stores EXIF data.
const PROFILES: [&[u8]; 2] = [b"Raw profile type exif\0", b"Raw profile type APP1\0"];

/// The EXIF data: the eXIf chunk, which may come before or after the picture's data (PNG, 11.3.4.5), or else
/// the text chunk that programs wrote before there was that chunk.
pub(super) fn exif(png: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut profile = None;
    let mut tried = 0;
    let mut rest = png.get(8..)?;
    while let Some((kind, data, after)) = chunk(rest) {
        match kind {
            b"eXIf" => return Some(Cow::Borrowed(data)),
            b"tEXt" | b"zTXt" if profile.is_none() && tried < MAX_PROFILES => {
                if let Some(content) = PROFILES.iter().find_map(|keyword| data.strip_prefix(*keyword)) {
                    tried += 1;
                    profile = self::profile(kind, content);
                }
            }
            b"IEND" => break,
            _ => {}
        }
        rest = after;
    }
    profile.map(Cow::Owned)
}

/// Type and data of the chunk at the beginning of `bytes`, and what follows it (PNG, 5.3).
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (kind, bytes) = bytes.split_first_chunk::<4>()?;
    let (data, bytes) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    // The checksum.
    Some((kind, data, bytes.get(4..)?))
}

/// The EXIF data in the content of a text chunk: lines with its name, its length and its bytes in hexadecimal (ImageMagick,
/// coders/png.c). In a zTXt chunk, they are compressed with zlib, method 0.
fn profile(kind: &[u8; 4], content: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    if kind == b"zTXt" {
        let compressed = content.strip_prefix(&[0])?;
        ZlibDecoder::new(compressed)
            .take(MAX_PROFILE)
            .read_to_end(&mut text)
            .ok()?;
    } else {
        text.extend(content.iter().take(MAX_PROFILE as usize));
    }
    let text = str::from_utf8(&text).ok()?;
    let (_name, text) = text.trim_start().split_once('\n')?;
    let (length, digits) = text.trim_start().split_once('\n')?;
    let length: usize = length.trim().parse().ok()?;
    let mut digits = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16));
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.push((digits.next()?? * 16 + digits.next()??) as u8);
    }
    // An APP1 profile may also hold XMP.
    [&b"Exif\0\0"[..], b"MM", b"II"]
        .iter()
        .any(|start| bytes.starts_with(start))
        .then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    /// A picture of one chunk, without data.
    fn png(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_be_bytes();
        [b"\x89PNG\r\n\x1a\n", &length[..], kind, data, &[0; 4]].concat()
    }

    #[test]
    fn a_profile_in_text_is_read_plain_and_compressed() {
        let text = b"\nexif\n      10\n45786966000\n04d4D002a\n";
        let expected = b"Exif\0\0MM\0\x2a";
        let plain = [PROFILES[0], text].concat();
        assert_eq!(exif(&png(b"tEXt", &plain)).unwrap(), expected.as_slice());
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        let compressed = [PROFILES[1], &[0], &encoder.finish().unwrap()].concat();
        assert_eq!(exif(&png(b"zTXt", &compressed)).unwrap(), expected.as_slice());
        // Fewer digits than stated, and no digits.
        for text in ["\nexif\n 11\n45786966\n", "\nexif\n 2\nzz00\n", "exif", ""] {
            assert_eq!(
                exif(&png(b"tEXt", &[PROFILES[0], text.as_bytes()].concat())),
                None
            );
        }
    }

    #[test]
    fn a_profile_that_expands_without_end_is_cut() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"\nexif\n 99999999\n").unwrap();
        encoder.write_all(&vec![b'0'; 50 << 20]).unwrap();
        let bomb = [PROFILES[0], &[0], &encoder.finish().unwrap()].concat();
        assert_eq!(exif(&png(b"zTXt", &bomb)), None);
    }
}
