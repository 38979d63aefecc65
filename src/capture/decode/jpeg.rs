//! Motion JPEG: one baseline JPEG picture a frame (ITU-T T.81), often without its Huffman tables.

use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::{capture::frame::MAX_SIDE, picture::Picture};

/// Buffer for frames whose Huffman tables have to be supplied.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    completed: Vec<u8>,
}

/// What stands before the picture's data.
struct Header {
    width: u32,
    height: u32,
    /// Where the start-of-scan marker begins.
    scan: usize,
    /// Huffman tables were defined.
    tables: bool,
}

impl Scratch {
    pub(super) fn decode(&mut self, data: &[u8], picture: &mut Picture) -> Result<(), String> {
        let header = Header::parse(data)?;
        let Header { width, height, .. } = header;
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(format!(
                "the picture has {width}x{height} pixels: 1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed"
            ));
        }
        // Each block of 64 pixels takes two bits at the very least. A header that promises more pixels than
        // the bytes can hold is refused before its picture is allocated.
        let pixels = u64::from(width) * u64::from(height);
        if pixels > (data.len() as u64).saturating_mul(256) {
            return Err(format!(
                "{} bytes cannot hold a picture of {width}x{height} pixels",
                data.len()
            ));
        }
        let bytes = if header.tables {
            data
        } else {
            self.completed.clear();
            self.completed.extend_from_slice(&data[..header.scan]);
            self.completed.extend_from_slice(&STANDARD_TABLES);
            self.completed.extend_from_slice(&data[header.scan..]);
            &self.completed
        };
        // Strict: a frame that ends early or breaks off in the middle is an error, not a picture that is half grey.
        let options = DecoderOptions::new_fast()
            .set_strict_mode(true)
            .set_max_width(MAX_SIDE as usize)
            .set_max_height(MAX_SIDE as usize)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(|e| e.to_string())?;
        let expected = (width as usize, height as usize);
        if decoder.dimensions() != Some(expected) || decoder.output_colorspace() != Some(ColorSpace::RGB) {
            return Err("it has two frame headers, or one that does not describe a picture".into());
        }
        decoder
            .decode_into(picture.reset(width, height))
            .map_err(|e| e.to_string())
    }
}

/// Width and height of the picture whose header `data` begins with.
pub(in crate::capture) fn size(data: &[u8]) -> Option<(u32, u32)> {
    Header::parse(data)
        .ok()
        .map(|header| (header.width, header.height))
}

impl Header {
    /// Walks the marker segments up to the start of scan (T.81, annex B).
    fn parse(data: &[u8]) -> Result<Self, String> {
        let word = |at: usize| Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
        let cut = || "it is cut off within its header".to_string();
        if word(0).is_none() {
            return Err("it is empty".into());
        }
        if word(0) != Some(0xFFD8) {
            return Err(format!(
                "it begins with {:02X}{:02X}, a JPEG picture with FFD8",
                data[0], data[1]
            ));
        }
        let mut at = 2;
        let mut size = None;
        let mut tables = false;
        loop {
            if *data.get(at).ok_or_else(cut)? != 0xFF {
                return Err(format!("there is no marker at byte {at} of its header"));
            }
            let marker = *data.get(at + 1).ok_or_else(cut)?;
            match marker {
                // A fill byte.
                0xFF => {
                    at += 1;
                    continue;
                }
                0xDA => break,
                // Baseline and extended sequential: what cameras send. Progressive and arithmetic pictures would
                // cost far more to decode than their bytes suggest.
                0xC0 | 0xC1 => {
                    let height = word(at + 5).ok_or_else(cut)?;
                    let width = word(at + 7).ok_or_else(cut)?;
                    size = Some((u32::from(width), u32::from(height)));
                }
                0xC4 => tables = true,
                0xC2 | 0xC3 | 0xC5..=0xC7 | 0xC9..=0xCF => {
                    return Err(format!(
                        "its coding (marker FF{marker:02X}) is not sequential, which is all that motion JPEG allows"
                    ));
                }
                0xD9 => return Err("it ends before its picture".into()),
                _ => {}
            }
            let length = word(at + 2).ok_or_else(cut)?;
            if length < 2 {
                return Err(format!("the segment at byte {at} has no length"));
            }
            at += 2 + usize::from(length);
        }
        let (width, height) = size.ok_or("it has no frame header")?;
        Ok(Self {
            width,
            height,
            scan: at,
            tables,
        })
    }
}

/// The typical Huffman tables of ITU-T T.81, annex K.3 (tables K.3 to K.6), as one DHT segment. Motion JPEG
/// that carries no tables means these.
#[rustfmt::skip]
const STANDARD_TABLES: [u8; 420] = [
    0xFF, 0xC4, 0x01, 0xA2,
    // K.3: luminance DC; the number of codes of each length from 1 to 16 bits, then the values.
    0x00,
    0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    // K.5: luminance AC.
    0x10,
    0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D,
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
    // K.4: chrominance DC.
    0x01,
    0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    // K.6: chrominance AC.
    0x11,
    0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77,
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
    0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];
