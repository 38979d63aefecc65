//! YUV4MPEG2, as in yuv4mpeg(5) of the mjpegtools: one header line, then `FRAME` lines each followed by planes.

use super::{MAX_FRAME_BYTES, Split, StreamFormat};
use crate::capture::frame::{MAX_SIDE, PixelFormat};

pub(super) const MAGIC: &[u8] = b"YUV4MPEG2";
/// What every frame begins with.
const FRAME: &[u8] = b"FRAME";
/// Longest header line that is accepted, bytes.
const MAX_LINE: usize = 1024;

/// Reads the stream header, then frame after frame.
#[derive(Debug, Default)]
pub struct Splitter {
    stream: Option<(StreamFormat, usize)>,
}

impl Splitter {
    pub(super) fn format(&self) -> Option<StreamFormat> {
        self.stream.map(|(format, _)| format)
    }

    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Split, String> {
        let known = bytes.len().min(MAX_LINE);
        let line = bytes[..known].iter().position(|&byte| byte == b'\n');
        let Some((_, size)) = self.stream else {
            return match line {
                Some(line) => {
                    self.stream = Some(header(&bytes[..line])?);
                    Ok(Split::Skip(line + 1))
                }
                None if known == MAX_LINE => Err(format!(
                    "the Y4M stream has a header line of more than {MAX_LINE} bytes"
                )),
                None => Ok(Split::More),
            };
        };
        if bytes.len() < FRAME.len() {
            return Ok(Split::More);
        }
        if !bytes.starts_with(FRAME) || (line.is_none() && known == MAX_LINE) {
            let next = bytes[1..].windows(FRAME.len()).position(|word| word == FRAME);
            // The last bytes may be the first part of the word.
            let skip = next.map_or(bytes.len() - FRAME.len() + 1, |next| next + 1);
            return Ok(Split::Damaged(
                skip,
                "a Y4M frame does not begin with FRAME".into(),
            ));
        }
        let Some(line) = line else {
            return Ok(Split::More);
        };
        let body = line + 1;
        let end = body + size;
        if bytes.len() < end {
            return Ok(Split::More);
        }
        Ok(Split::Frame { body: body..end, end })
    }
}

/// Parses the stream header: the frames' format and their size in bytes.
fn header(line: &[u8]) -> Result<(StreamFormat, usize), String> {
    let line = std::str::from_utf8(line).map_err(|_| "the Y4M header is not text".to_string())?;
    let mut words = line.split_ascii_whitespace();
    if words.next().map(str::as_bytes) != Some(MAGIC) {
        return Err("the stream does not begin with YUV4MPEG2, as Y4M does".into());
    }
    let (mut width, mut height, mut rate, mut colour) = (0_u32, 0_u32, None, "420");
    for word in words {
        let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        match tag {
            "W" => width = value.parse().unwrap_or(0),
            "H" => height = value.parse().unwrap_or(0),
            "C" => colour = value,
            "F" => {
                rate = value
                    .split_once(':')
                    .and_then(|(n, d)| Some(n.parse::<f32>().ok()? / d.parse::<f32>().ok()?))
                    .filter(|rate| rate.is_finite() && *rate > 0.0);
            }
            _ => {}
        }
    }
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(format!(
            "the Y4M header `{line}` has no usable size: W and H must be 1 to {MAX_SIDE}"
        ));
    }
    let format = match colour {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => PixelFormat::Yu12,
        "mono" => PixelFormat::Grey,
        _ => {
            return Err(format!(
                "the Y4M stream's colour space is C{colour}: 8-bit 4:2:0 (C420, C420jpeg, C420mpeg2, C420paldv) \
                 and Cmono can be read; ffmpeg converts with `-pix_fmt yuv420p`"
            ));
        }
    };
    let size = format.frame_bytes(width, height, format.row_bytes(width));
    if size > MAX_FRAME_BYTES {
        return Err(format!(
            "a Y4M frame of {width}x{height} pixels takes {size} bytes: at most {MAX_FRAME_BYTES} are allowed"
        ));
    }
    let stream = StreamFormat {
        pixels: format,
        width,
        height,
        rate,
    };
    Ok((stream, size))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_header_and_frames() {
        let mut stream = b"YUV4MPEG2 W3 H3 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG\n".to_vec();
        let header = stream.len();
        // Three by three: nine of luma and two planes of two by two.
        stream.extend_from_slice(b"FRAME Ip\n");
        stream.extend_from_slice(&[7; 17]);
        let mut splitter = Splitter::default();
        assert_eq!(splitter.find(&stream).unwrap(), Split::Skip(header));
        let format = splitter.format().unwrap();
        assert_eq!(
            (format.pixels, format.width, format.height),
            (PixelFormat::Yu12, 3, 3)
        );
        assert!((format.rate.unwrap() - 29.97).abs() < 0.01);
        let rest = &stream[header..];
        assert_eq!(splitter.find(&rest[..rest.len() - 1]).unwrap(), Split::More);
        assert_eq!(
            splitter.find(rest).unwrap(),
            Split::Frame { body: 9..26, end: 26 }
        );
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for (header, word) in [
            ("YUV4MPEG2 W4 H4 C422\n", "C422"),
            ("YUV4MPEG2 W4 H4 C420p10\n", "C420p10"),
            ("YUV4MPEG2 W4 H4 C444alpha\n", "C444alpha"),
            ("YUV4MPEG2 W0 H4\n", "size"),
            ("YUV4MPEG2 H4\n", "size"),
            ("YUV4MPEG2 W8193 H4\n", "size"),
            ("YUV4MPEG2 W8192 H8192\n", "at most"),
            ("YUV4MPEG3 W4 H4\n", "YUV4MPEG2"),
        ] {
            let error = Splitter::default().find(header.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{header}: {error}");
        }
        assert!(Splitter::default().find(&[b'x'; MAX_LINE]).is_err());
    }

    #[test]
    fn finds_the_next_frame_after_a_damaged_one() {
        let mut splitter = Splitter::default();
        splitter.find(b"YUV4MPEG2 W1 H1 Cmono\n").unwrap();
        let stream = b"rest of a frame FRAME\nx";
        assert!(matches!(splitter.find(stream).unwrap(), Split::Damaged(16, _)));
        assert_eq!(
            splitter.find(&stream[16..]).unwrap(),
            Split::Frame { body: 6..7, end: 7 }
        );
        assert!(matches!(splitter.find(b"garbage").unwrap(), Split::Damaged(3, _)));
    }
}
