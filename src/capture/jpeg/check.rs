//! Finds where a JPEG picture ends and whether it is complete, and measures its luma in coarse cells.

use std::ops::Range;

use super::{
    error::JpegError,
    header::{self, FrameHeader, ScanHeader},
    luma::BlockMeans,
    scan::{self, Coefficients, Scan},
    standard_tables::STANDARD_TABLES,
    tables::Tables,
};
use crate::{
    capture::limits::{MAX_SCANS, MAX_SIDE},
    luma::LumaGrid,
};

/// Which codings are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Baseline and extended sequential: what cameras send. Progressive pictures cost far more to decode than
    /// their bytes suggest.
    Sequential,
    /// Also progressive, for photographs.
    Any,
}

/// A complete picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the first scan begins if the picture defines no Huffman tables.
    pub(super) needs_tables_at: Option<usize>,
    /// Where its data end. What follows (EOI, padding, a video, another picture) is not part of it.
    pub(super) end: usize,
}

/// Checks that every block of the picture at the start of `data` is present, and measures its luma in passing
/// if a grid is given: the DC coefficient of a block is its mean.
pub(super) fn check(
    data: &[u8],
    coding: Coding,
    mut luma: Option<&mut LumaGrid>,
) -> Result<Complete, JpegError> {
    let mut walk = Walk::new(data)?;
    let mut scans = 0;
    loop {
        match walk.next()? {
            Segment::Frame => {
                walk.allow(coding)?;
                if let (Some(frame), Some(grid)) = (&walk.frame, luma.as_deref_mut()) {
                    grid.reset_unknown(frame.width, frame.height);
                }
            }
            Segment::Scan(scan) => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(JpegError::ManyScans);
                }
                walk.allow_scan(&scan)?;
                let after = walk.skip_scan(&scan, luma.as_deref_mut())?;
                if walk.is_complete(false) {
                    return walk.complete(after);
                }
                walk.at = after;
            }
            Segment::End => {
                return if walk.is_complete(true) {
                    let end = walk.at;
                    walk.complete(end)
                } else {
                    Err(walk.incomplete())
                };
            }
            Segment::Other => {}
        }
    }
}

/// Width and height of the picture at the start of `data`, if its header is there.
pub(super) fn size(data: &[u8]) -> Option<(u32, u32)> {
    let mut walk = Walk::new(data).ok()?;
    loop {
        match walk.next().ok()? {
            Segment::Frame => return walk.frame.map(|frame| (frame.width, frame.height)),
            Segment::Other => {}
            Segment::Scan(_) | Segment::End => return None,
        }
    }
}

/// The TIFF structure of the EXIF data in the header of the picture at the start of `data`.
pub(super) fn exif(data: &[u8]) -> Option<&[u8]> {
    let mut walk = Walk::new(data).ok()?;
    while let Segment::Frame | Segment::Other = walk.next().ok()? {}
    walk.exif.map(|range| &data[range])
}

/// What a step of the walk found.
enum Segment {
    /// A frame header.
    Frame,
    /// The header of a scan, whose data begin at [`Walk::at`].
    Scan(ScanHeader),
    /// EOI, the start of another picture, or the end of the bytes.
    End,
    Other,
}

/// The state of a walk through the marker segments.
struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    frame: Option<FrameHeader>,
    tables: Tables,
    has_tables: bool,
    first_scan: Option<usize>,
    restart_interval: u16,
    /// By destination: the quantization step of the DC coefficient.
    dc_steps: [u16; 4],
    exif: Option<Range<usize>>,
    /// By component: bits of the coefficients that a scan held.
    begun: [u64; 4],
    /// By component: bits of the coefficients that have their final precision.
    finished: [u64; 4],
    /// By component; empty in sequential pictures.
    coefficients: Vec<Coefficients>,
}

impl<'a> Walk<'a> {
    fn new(data: &'a [u8]) -> Result<Self, JpegError> {
        match data {
            [] => return Err(JpegError::Empty),
            [0xFF, 0xD8, ..] => {}
            &[first, ref rest @ ..] => {
                return Err(JpegError::Start([first, rest.first().copied().unwrap_or(0)]));
            }
        }
        Ok(Self {
            data,
            at: 2,
            frame: None,
            tables: Tables::default(),
            has_tables: false,
            first_scan: None,
            restart_interval: 0,
            dc_steps: [0; 4],
            exif: None,
            begun: [0; 4],
            finished: [0; 4],
            coefficients: Vec::new(),
        })
    }

    /// Reads the segment at `at` and moves past it.
    fn next(&mut self) -> Result<Segment, JpegError> {
        // FF fill bytes may precede a marker.
        while self.data.get(self.at) == Some(&0xFF) && self.data.get(self.at + 1) == Some(&0xFF) {
            self.at += 1;
        }
        let (marker, start) = match self.data.get(self.at..) {
            Some([0xFF, marker, ..]) => (*marker, self.at),
            None | Some([] | [0xFF]) => return Ok(Segment::End),
            Some(_) => return Err(JpegError::NoMarker(self.at)),
        };
        match marker {
            0xD8 | 0xD9 => return Ok(Segment::End),
            0x01 | 0xD0..=0xD7 => {
                self.at += 2;
                return Ok(Segment::Other);
            }
            _ => {}
        }
        let length = match self.data.get(start + 2..start + 4) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => return Err(self.incomplete()),
        };
        if length < 2 {
            return Err(JpegError::Segment(start));
        }
        let Some(content) = self.data.get(start + 4..start + 2 + length) else {
            return Err(self.incomplete());
        };
        self.at = start + 2 + length;
        match marker {
            0xC0..=0xC2 => {
                if self.frame.is_some() {
                    return Err(JpegError::TwoFrameHeaders);
                }
                self.frame = Some(FrameHeader::parse(content, marker == 0xC2, start)?);
                return Ok(Segment::Frame);
            }
            0xC4 => {
                header::define_tables(content, &mut self.tables, start)?;
                self.has_tables = true;
            }
            0xDB => header::define_dc_steps(content, &mut self.dc_steps, start)?,
            0xC3 | 0xC5..=0xCF => return Err(JpegError::Coding(marker)),
            0xDA => {
                let frame = self.frame.as_ref().ok_or(JpegError::NoFrameHeader)?;
                let scan = ScanHeader::parse(content, frame, start)?;
                self.first_scan.get_or_insert(start);
                return Ok(Segment::Scan(scan));
            }
            0xDD => {
                let interval = content.first_chunk().ok_or(JpegError::Segment(start))?;
                self.restart_interval = u16::from_be_bytes(*interval);
            }
            0xE1 if self.exif.is_none() && content.starts_with(b"Exif\0\0") => {
                self.exif = Some(start + 10..self.at);
            }
            _ => {}
        }
        Ok(Segment::Other)
    }

    /// Checks the frame header that was just read, before memory is allocated for the picture.
    fn allow(&mut self, coding: Coding) -> Result<(), JpegError> {
        let Some(frame) = &self.frame else {
            return Ok(());
        };
        let (width, height) = (frame.width, frame.height);
        if frame.is_progressive && coding == Coding::Sequential {
            return Err(JpegError::Progressive);
        }
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(JpegError::Size(width, height));
        }
        let [luma, chroma @ ..] = &*frame.components else {
            return Err(JpegError::Sampling);
        };
        if chroma.iter().any(|component| component.v > luma.v) {
            return Err(JpegError::Sampling);
        }
        // A block of 64 pixels takes at least two bits, in progressive pictures one.
        let pixels_per_byte = if frame.is_progressive { 512 } else { 256 };
        let bytes = self.data.len();
        if u64::from(width) * u64::from(height) > (bytes as u64).saturating_mul(pixels_per_byte) {
            return Err(JpegError::TooFewBytes { bytes, width, height });
        }
        if frame.is_progressive {
            let components = frame.components.iter();
            self.coefficients = components
                .map(|component| Coefficients::new(frame, component))
                .collect();
        }
        Ok(())
    }

    /// Checks a scan of a sequential picture: the decoder places its blocks wrongly if some of the components
    /// are in another scan and have several rows of blocks in a unit.
    fn allow_scan(&self, scan: &ScanHeader) -> Result<(), JpegError> {
        let Some(frame) = &self.frame else {
            return Ok(());
        };
        let is_separate = !frame.is_progressive && scan.parts().len() < frame.components.len();
        if is_separate && frame.components.iter().any(|component| component.v > 1) {
            return Err(JpegError::SeparateScans);
        }
        Ok(())
    }

    /// Skips the data of the scan, which begin at `at`, and writes the luma to the grid if they hold it.
    /// Returns where the marker after them begins.
    fn skip_scan(&mut self, header: &ScanHeader, luma: Option<&mut LumaGrid>) -> Result<usize, JpegError> {
        if !self.has_tables {
            header::define_tables(&STANDARD_TABLES[4..], &mut self.tables, self.at)?;
        }
        let frame = self.frame.as_ref().ok_or(JpegError::NoFrameHeader)?;
        let scan = Scan {
            data: self.data,
            at: self.at,
            frame,
            header,
            tables: &self.tables,
            interval: self.restart_interval,
            dc_steps: &self.dc_steps,
        };
        let (after, coefficients) = if frame.is_progressive {
            let after = scan::skip_progressive(&scan, &mut self.coefficients)?;
            (after, (!0_u64 << header.first) & (!0_u64 >> (63 - header.last)))
        } else {
            let means = luma.and_then(|grid| BlockMeans::new(frame, header, &self.dc_steps, grid));
            let after = match means {
                Some(mut means) => scan::skip_sequential(&scan, &mut means),
                None => scan::skip_sequential(&scan, &mut ()),
            };
            (after?, !0)
        };
        for part in header.parts() {
            self.begun[part.component] |= coefficients;
            if !frame.is_progressive || header.low == 0 {
                self.finished[part.component] |= coefficients;
            }
        }
        Ok(after)
    }

    /// Whether no scan is missing. A progressive picture that `has_ended` properly may omit coefficients that
    /// are zero everywhere, but not all the detail of its first component, and it refines those that it
    /// holds.
    fn is_complete(&self, has_ended: bool) -> bool {
        let Some(frame) = &self.frame else {
            return false;
        };
        let at_eoi = has_ended && self.data.get(self.at + 1) == Some(&0xD9);
        let may_omit = frame.is_progressive && at_eoi;
        (0..frame.components.len()).all(|component| {
            let needed = match component {
                1.. if may_omit => self.begun[component] | 1,
                _ => !0,
            };
            self.finished[component] & needed == needed
        })
    }

    fn incomplete(&self) -> JpegError {
        match (&self.frame, self.first_scan) {
            (_, Some(_)) => JpegError::MissingScan,
            _ => JpegError::HeaderCutOff,
        }
    }

    fn complete(&self, end: usize) -> Result<Complete, JpegError> {
        let (Some(frame), Some(first_scan)) = (&self.frame, self.first_scan) else {
            return Err(JpegError::NoFrameHeader);
        };
        Ok(Complete {
            width: frame.width,
            height: frame.height,
            needs_tables_at: (!self.has_tables).then_some(first_scan),
            end,
        })
    }
}
