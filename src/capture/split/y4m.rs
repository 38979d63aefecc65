//! YUV4MPEG2, as in yuv4mpeg(5) of the mjpegtools: one header line, then `FRAME` lines each followed by
//! planes.

use memchr::memmem;

use super::{MAX_FRAME_BYTES, Split, StreamFormat};
use crate::capture::{
    color::{ColorEncoding, Range},
    frame::PixelFormat,
    limits::MAX_SIDE,
};

pub(super) const MAGIC: &[u8] = b"YUV4MPEG2";
/// How a header begins. Long enough that no picture contains it by chance.
const HEADER: &[u8] = b"YUV4MPEG2 ";
/// The word that begins every frame.
const FRAME: &[u8] = b"FRAME";
/// The line before a frame without parameters.
const FRAME_LINE: &[u8] = b"FRAME\n";
/// Longest accepted header line, in bytes.
const MAX_LINE: usize = 1024;

/// Number of consecutive frames followed by neither a frame nor a header that ends the stream.
const MAX_MISFITS: u32 = 3;

/// Reads the stream header, then frame after frame. A further stream header replaces the first: the writer
/// was restarted.
#[derive(Debug, Default)]
pub struct Splitter {
    stream: Option<(StreamFormat, usize)>,
    /// Whether the preceding bytes were a frame.
    is_after_frame: bool,
    /// Consecutive frames that were followed by neither a frame nor a header.
    misfits: u32,
}

impl Splitter {
    pub(super) fn format(&self) -> Option<StreamFormat> {
        self.stream.map(|(format, _)| format)
    }

    /// Where the picture begins if `bytes` begin with a frame.
    pub(super) fn body(bytes: &[u8]) -> Option<usize> {
        line(bytes)
            .filter(|_| bytes.starts_with(FRAME))
            .map(|line| line + 1)
    }

    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Split, String> {
        let (Some((_, size)), false) = (self.stream, bytes.starts_with(MAGIC)) else {
            return self.header(bytes);
        };
        let Some(start) = first_word(bytes) else {
            return self.resync(bytes.len());
        };
        if start > 0 {
            return self.resync(start);
        }
        let Some(body) = Self::body(bytes) else {
            // Otherwise the line or its first word is incomplete, or the word belongs to another header.
            return if line(bytes).is_none() && bytes.len() >= MAX_LINE {
                self.resync(FRAME.len())
            } else {
                Ok(Split::More)
            };
        };
        let end = body + size;
        if bytes.len() < end {
            return Ok(Split::More);
        }
        // The writer may have been restarted within a frame, or write frames of another size than it stated.
        // A picture contains the start of a frame by chance once in a thousand million frames.
        for (start, what) in [(HEADER, "another header"), (FRAME_LINE, "another frame")] {
            if let Some(at) = memmem::find(&bytes[body..end], start) {
                self.is_after_frame = false;
                let why = format!("a Y4M frame is cut off by {what} after {at} of its {size} bytes");
                return Ok(Split::Damaged(body + at, why));
            }
        }
        if self.is_after_frame {
            self.misfits = 0;
        } else {
            self.is_after_frame = true;
        }
        Ok(Split::Frame { body: body..end, end })
    }

    fn header(&mut self, bytes: &[u8]) -> Result<Split, String> {
        match line(bytes) {
            Some(line) => {
                self.stream = Some(header(&bytes[..line])?);
                self.is_after_frame = false;
                self.misfits = 0;
                Ok(Split::Skip(line + 1))
            }
            None if bytes.len() >= MAX_LINE => Err(format!(
                "the Y4M stream has a header line of more than {MAX_LINE} bytes"
            )),
            None => Ok(Split::More),
        }
    }

    /// Skips `count` bytes that are not a frame.
    fn resync(&mut self, count: usize) -> Result<Split, String> {
        if self.is_after_frame {
            self.is_after_frame = false;
            self.misfits += 1;
            if self.misfits >= MAX_MISFITS {
                return Err(format!(
                    "{MAX_MISFITS} Y4M frames in a row do not have the size that the stream header states; was the \
                     program that writes them started again within a frame?"
                ));
            }
        }
        Ok(Split::Damaged(
            count,
            "a Y4M frame does not begin with FRAME".into(),
        ))
    }
}

/// The end of the line that `bytes` begin with.
fn line(bytes: &[u8]) -> Option<usize> {
    let known = bytes.len().min(MAX_LINE);
    bytes[..known].iter().position(|&byte| byte == b'\n')
}

/// Where a frame or a header begins, or may begin in the last bytes.
fn first_word(bytes: &[u8]) -> Option<usize> {
    let is_start = |rest: &[u8]| {
        [FRAME, MAGIC]
            .iter()
            .any(|word| rest.starts_with(word) || word.starts_with(rest))
    };
    (0..bytes.len().max(1)).find(|&at| is_start(&bytes[at..]))
}

/// Parses the stream header: the frames' format and their size in bytes.
fn header(line: &[u8]) -> Result<(StreamFormat, usize), String> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    if words.next().map(str::as_bytes) != Some(MAGIC) {
        return Err("the stream does not begin with YUV4MPEG2, as Y4M does".into());
    }
    let (mut width, mut height, mut rate, mut chroma) = (0_u32, 0_u32, None, "420");
    let mut range = None;
    let mut is_chroma_known = false;
    for word in words {
        let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        match tag {
            "W" => width = value.parse().unwrap_or(0),
            "H" => height = value.parse().unwrap_or(0),
            "C" => (chroma, is_chroma_known) = (value, true),
            "F" => {
                rate = value
                    .split_once(':')
                    .and_then(|(n, d)| Some(n.parse::<f32>().ok()? / d.parse::<f32>().ok()?))
                    .filter(|rate| rate.is_finite() && *rate > 0.0);
            }
            // Written by FFmpeg.
            "X" => match value.split_once('=') {
                Some(("COLORRANGE", "FULL")) => range = Some(Range::Full),
                Some(("COLORRANGE", "LIMITED")) => range = Some(Range::Limited),
                // Older versions of mjpegtools state the colour space only here.
                Some(("YSCSS", space)) if !is_chroma_known => chroma = space,
                _ => {}
            },
            _ => {}
        }
    }
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(format!(
            "the Y4M header `{line}` has no usable size: W and H must be 1 to {MAX_SIDE}"
        ));
    }
    let is_one_of = |names: &[&str]| names.iter().any(|name| chroma.eq_ignore_ascii_case(name));
    let format = if is_one_of(&["420", "420jpeg", "420mpeg2", "420paldv"]) {
        PixelFormat::Yu12
    } else if is_one_of(&["mono"]) {
        PixelFormat::Grey
    } else {
        return Err(format!(
            "the Y4M stream's colour space is C{chroma}: 8-bit 4:2:0 (C420, C420jpeg, C420mpeg2, C420paldv) and \
             Cmono can be read; ffmpeg converts with `-pix_fmt yuv420p`"
        ));
    };
    let stride = format.row_bytes(width);
    let size = format.padded_bytes(height, stride);
    if size > MAX_FRAME_BYTES {
        return Err(format!(
            "a Y4M frame of {width}x{height} pixels takes {size} bytes: at most {MAX_FRAME_BYTES} are allowed"
        ));
    }
    let stream = StreamFormat {
        pixels: format,
        width,
        height,
        stride: stride as u32,
        color: ColorEncoding { matrix: None, range },
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
        // 3x3 pixels: nine bytes of luma and two planes of 2x2 bytes.
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
        // Comments may be in any encoding.
        let comment = b"YUV4MPEG2 W4 H4 XCAMERA=caf\xe9\n";
        assert!(Splitter::default().find(comment).is_ok());
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
        assert!(matches!(splitter.find(b"garbage").unwrap(), Split::Damaged(7, _)));
        // The bytes read so far may end within the word.
        assert!(matches!(
            splitter.find(b"garbage FRA").unwrap(),
            Split::Damaged(8, _)
        ));
        assert_eq!(splitter.find(b"FRA").unwrap(), Split::More);
    }

    /// All frames of a stream whose bytes arrive in pieces of `step`.
    fn split(stream: &[u8], step: usize) -> Result<Vec<(StreamFormat, Vec<u8>)>, String> {
        let mut splitter = Splitter::default();
        let (mut start, mut known, mut frames) = (0, 0, Vec::new());
        loop {
            match splitter.find(&stream[start..known])? {
                Split::More if known == stream.len() => return Ok(frames),
                Split::More => known = (known + step).min(stream.len()),
                Split::Skip(count) | Split::Damaged(count, _) => start += count,
                Split::Frame { body, end } => {
                    frames.push((splitter.format().unwrap(), stream[start..][body].to_vec()));
                    start += end;
                }
            }
        }
    }

    #[test]
    fn a_second_header_changes_the_size() {
        let stream =
            b"YUV4MPEG2 W2 H1 Cmono\nFRAME\nabFRAME\ncdYUV4MPEG2 W3 H1 Cmono XCOLORRANGE=FULL\nFRAME\nefg\
            FRAME\nhij";
        for step in 1..stream.len() {
            let frames = split(stream, step).unwrap();
            let widths: Vec<u32> = frames.iter().map(|(format, _)| format.width).collect();
            let bodies: Vec<&[u8]> = frames.iter().map(|(_, body)| body.as_slice()).collect();
            assert_eq!(widths, [2, 2, 3, 3], "step {step}");
            assert_eq!(bodies, [&b"ab"[..], b"cd", b"efg", b"hij"]);
            assert_eq!(frames[0].0.color.range, None);
            assert_eq!(frames[3].0.color.range, Some(Range::Full));
        }
    }

    #[test]
    fn a_header_within_a_frame_begins_another_stream() {
        // The writer was restarted within a frame.
        let stream =
            b"YUV4MPEG2 W60 H1 Cmono\nFRAME\nabcYUV4MPEG2 W3 H1 Cmono\nFRAME\nefgFRAME\nhijFRAME\nklmFRAME\nnop";
        for step in 1..stream.len() {
            let frames = split(stream, step).unwrap();
            let bodies: Vec<&[u8]> = frames.iter().map(|(_, body)| body.as_slice()).collect();
            assert_eq!(bodies, [&b"efg"[..], b"hij", b"klm", b"nop"], "step {step}");
        }
    }

    /// The headers of mjpegtools may begin with any parameter.
    #[test]
    fn a_header_within_a_frame_may_begin_with_any_parameter() {
        let stream =
            b"YUV4MPEG2 W60 H1 Cmono\nFRAME\nabcYUV4MPEG2 H1 W3 Cmono\nFRAME\nefgFRAME\nhijFRAME\nklmFRAME\nnop";
        let frames = split(stream, 5).unwrap();
        let bodies: Vec<&[u8]> = frames.iter().map(|(_, body)| body.as_slice()).collect();
        assert_eq!(bodies, [&b"efg"[..], b"hij", b"klm", b"nop"]);
    }

    #[test]
    fn a_stream_with_larger_frames_than_it_states_ends() {
        let stream = b"YUV4MPEG2 W4 H1 Cmono\n".to_vec();
        let stream = [stream, b"FRAME\nhijklmnop".repeat(60)].concat();
        let error = split(&stream, 7).unwrap_err();
        assert!(error.contains("do not have the size"), "{error}");
    }

    #[test]
    fn frames_smaller_than_stated_are_not_joined() {
        let stream = b"YUV4MPEG2 W40 H1 Cmono\n".to_vec();
        let stream = [stream, b"FRAME\nhij".repeat(60)].concat();
        assert_eq!(split(&stream, 7).unwrap(), []);
    }

    #[test]
    fn the_colour_space_of_older_headers_is_read() {
        let chroma = |line: &[u8]| header(line).map(|(format, _)| format.pixels);
        assert_eq!(chroma(b"YUV4MPEG2 W4 H4 XYSCSS=420MPEG2"), Ok(PixelFormat::Yu12));
        assert!(
            chroma(b"YUV4MPEG2 W4 H4 XYSCSS=411")
                .unwrap_err()
                .contains("C411")
        );
        assert_eq!(
            chroma(b"YUV4MPEG2 W4 H4 C420jpeg XYSCSS=411"),
            Ok(PixelFormat::Yu12)
        );
    }
}
