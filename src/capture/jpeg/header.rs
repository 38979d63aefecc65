//! The headers of a JPEG picture (ITU-T T.81, annex B).

use super::{error::JpegError, huffman::Table, tables::Tables};

/// One colour component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub(super) h: u8,
    /// Vertical sampling factor, 1 to 4.
    pub(super) v: u8,
    /// Destination of its quantization table.
    pub(super) quantization: u8,
}

/// SOF0, SOF1 or SOF2.
#[derive(Debug, Clone)]
pub(super) struct FrameHeader {
    /// Bits per sample.
    pub(super) precision: u8,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_progressive: bool,
    /// One to four.
    pub(super) components: heapless::Vec<Component, 4>,
}

impl FrameHeader {
    /// From the content of the segment at byte `at`.
    pub(super) fn parse(content: &[u8], is_progressive: bool, at: usize) -> Result<Self, JpegError> {
        let invalid = || JpegError::Segment(at);
        let (head, parts) = content.split_at_checked(6).ok_or_else(invalid)?;
        let count = usize::from(head[5]);
        let (parts, _) = parts.as_chunks::<3>();
        let mut components = heapless::Vec::new();
        for &[id, sampling, quantization] in parts.get(..count).ok_or_else(invalid)? {
            let (h, v) = (sampling >> 4, sampling & 15);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(invalid());
            }
            let component = Component {
                id,
                h,
                v,
                quantization,
            };
            components.push(component).map_err(|_| invalid())?;
        }
        if components.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            precision: head[0],
            width: u16::from_be_bytes([head[3], head[4]]).into(),
            height: u16::from_be_bytes([head[1], head[2]]).into(),
            is_progressive,
            components,
        })
    }

    /// The largest sampling factors.
    pub(super) fn sampling(&self) -> (u32, u32) {
        let largest = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1);
        (largest(|c| c.h).into(), largest(|c| c.v).into())
    }

    /// MCUs of an interleaved scan, across and down.
    pub(super) fn mcus(&self) -> (usize, usize) {
        let (h, v) = self.sampling();
        (
            self.width.div_ceil(8 * h) as usize,
            self.height.div_ceil(8 * v) as usize,
        )
    }

    /// Blocks of a component in a scan of its own, across and down.
    pub(super) fn blocks_of(&self, component: &Component) -> (usize, usize) {
        let (h, v) = self.sampling();
        let blocks = |pixels: u32, factor: u8, largest: u32| {
            (pixels * u32::from(factor)).div_ceil(largest).div_ceil(8) as usize
        };
        (
            blocks(self.width, component.h, h),
            blocks(self.height, component.v, v),
        )
    }

    /// MCUs of `scan`, across and down.
    pub(super) fn mcus_of(&self, scan: &ScanHeader) -> (usize, usize) {
        match scan.parts() {
            [part] => self.blocks_of(&self.components[part.component]),
            _ => self.mcus(),
        }
    }
}

/// A component of a scan and its Huffman tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Index into [`FrameHeader::components`].
    pub(super) component: usize,
    pub(super) dc: u8,
    pub(super) ac: u8,
}

/// SOS.
#[derive(Debug, Clone)]
pub(super) struct ScanHeader {
    parts: heapless::Vec<Part, 4>,
    /// First coefficient in zigzag order, 0 to 63; 0 in sequential pictures.
    pub(super) first: u8,
    /// Last coefficient, 0 to 63.
    pub(super) last: u8,
    /// Bit position of the previous scan of these coefficients; 0 if this is their first.
    pub(super) high: u8,
    /// Bit position of this scan.
    pub(super) low: u8,
}

impl ScanHeader {
    /// From the content of the segment at byte `at`.
    pub(super) fn parse(content: &[u8], frame: &FrameHeader, at: usize) -> Result<Self, JpegError> {
        let invalid = || JpegError::Segment(at);
        let (&count, rest) = content.split_first().ok_or_else(invalid)?;
        let (selectors, rest) = rest
            .split_at_checked(2 * usize::from(count))
            .ok_or_else(invalid)?;
        let mut parts = heapless::Vec::new();
        for &[id, tables] in selectors.as_chunks::<2>().0 {
            let component = frame
                .components
                .iter()
                .position(|component| component.id == id)
                .ok_or_else(invalid)?;
            let part = Part {
                component,
                dc: tables >> 4,
                ac: tables & 15,
            };
            parts.push(part).map_err(|_| invalid())?;
        }
        let &[first, last, bits] = rest.first_chunk::<3>().ok_or_else(invalid)?;
        if parts.is_empty() || (frame.is_progressive && (first > last || last > 63)) {
            return Err(invalid());
        }
        Ok(Self {
            parts,
            first,
            last,
            high: bits >> 4,
            low: bits & 15,
        })
    }

    /// One to four.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// DQT: records the step of the DC coefficient of each table in the segment at byte `at`.
pub(super) fn define_dc_steps(mut content: &[u8], steps: &mut [u16; 4], at: usize) -> Result<(), JpegError> {
    let invalid = || JpegError::Segment(at);
    while let Some((&precision_and_destination, rest)) = content.split_first() {
        let is_wide = precision_and_destination >> 4 != 0;
        let length = if is_wide { 128 } else { 64 };
        let (table, rest) = rest.split_at_checked(length).ok_or_else(invalid)?;
        let step = steps
            .get_mut(usize::from(precision_and_destination & 15))
            .ok_or_else(invalid)?;
        *step = if is_wide {
            u16::from_be_bytes([table[0], table[1]])
        } else {
            table[0].into()
        };
        content = rest;
    }
    Ok(())
}

/// DHT: adds the tables of the segment at byte `at`.
pub(super) fn define_tables(mut content: &[u8], tables: &mut Tables, at: usize) -> Result<(), JpegError> {
    let invalid = || JpegError::Segment(at);
    while let Some((&class_and_destination, rest)) = content.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(invalid)?;
        let count = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(count).ok_or_else(invalid)?;
        let class = match class_and_destination >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return Err(invalid()),
        };
        let destination = usize::from(class_and_destination & 15);
        let mut table = Table::new(counts, symbols).ok_or_else(invalid)?;
        if class_and_destination >> 4 == 1 {
            table.join_codes();
        }
        *class.get_mut(destination).ok_or_else(invalid)? = Some(table);
        content = rest;
    }
    Ok(())
}
