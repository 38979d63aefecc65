//! Skips through the Huffman codes of a scan to check that every block is present.
//!
//! Markers cannot show this: half a picture may end in an EOI, and a whole picture may lack it.

use super::{
    bits::{Bits, Stop},
    error::JpegError,
    header::{Component, FrameHeader, ScanHeader},
    huffman::Table,
    tables::Tables,
};

/// Which coefficients of a progressive picture's blocks are not zero: one bit each, by zigzag position.
/// Refinement scans have a bit for each nonzero coefficient.
#[derive(Debug, Default)]
pub(super) struct Coefficients {
    nonzero: Vec<u64>,
    /// Blocks per row, including those that only pad an MCU.
    columns: usize,
}

impl Coefficients {
    pub(super) fn new(frame: &FrameHeader, component: &Component) -> Self {
        let (across, down) = frame.mcus();
        let columns = across * usize::from(component.h);
        Self {
            nonzero: vec![0; columns * down * usize::from(component.v)],
            columns,
        }
    }
}

/// A scan, and what applies to it.
pub(super) struct Scan<'a> {
    /// The bytes of the picture.
    pub(super) data: &'a [u8],
    /// Where the data of the scan begin.
    pub(super) at: usize,
    pub(super) frame: &'a FrameHeader,
    pub(super) header: &'a ScanHeader,
    pub(super) tables: &'a Tables,
    /// MCUs between restart markers; 0 for none.
    pub(super) interval: u16,
    /// By destination: the quantization step of the DC coefficient; 0 if it is not defined.
    pub(super) dc_steps: &'a [u16; 4],
}

impl Scan<'_> {
    /// The largest magnitude of a component's DC coefficient, before it is multiplied by its quantization
    /// step.
    ///
    /// An encoder makes it at most 1024 and half a step with 8 bits per sample (T.81, A.3.3). Twice that is
    /// allowed.
    fn dc_limit(&self, component: usize) -> u32 {
        let destination = usize::from(self.frame.components[component].quantization);
        match self.dc_steps.get(destination) {
            Some(&step @ 1..) if self.frame.precision == 8 => 2048 / u32::from(step) + 1,
            _ => u32::MAX,
        }
    }
}

/// The position in a scan, for restarts and messages.
struct Progress<'a> {
    bits: Bits<'a>,
    /// MCUs between restart markers; 0 for none.
    interval: usize,
    until_restart: usize,
    blocks: u64,
    expected: u64,
}

impl<'a> Progress<'a> {
    fn new(scan: &Scan<'a>, expected: usize) -> Self {
        Self {
            bits: Bits::new(scan.data, scan.at),
            interval: usize::from(scan.interval),
            until_restart: usize::from(scan.interval),
            blocks: 0,
            expected: expected as u64,
        }
    }

    fn stopped(&self, stop: Stop) -> JpegError {
        match stop {
            Stop::End => JpegError::CutOff {
                blocks: self.blocks,
                expected: self.expected,
            },
            Stop::Code => self.damaged(JpegError::Code { block: self.blocks }),
        }
    }

    /// Begins an MCU, after a restart marker if one is due. Returns whether there was one.
    fn begin_mcu(&mut self) -> Result<bool, JpegError> {
        if self.interval == 0 {
            return Ok(false);
        }
        let is_due = self.until_restart == 0;
        if is_due {
            if !self.bits.restart() {
                return Err(self.stopped(Stop::End));
            }
            self.until_restart = self.interval;
        }
        self.until_restart -= 1;
        Ok(is_due)
    }

    /// The mean of the block whose DC coefficient was read last is out of range.
    #[cold]
    fn out_of_range(&self) -> JpegError {
        self.damaged(JpegError::Mean { block: self.blocks })
    }

    /// What was `found`, or that it is padding.
    fn damaged(&self, found: JpegError) -> JpegError {
        self.padded().unwrap_or(found)
    }

    fn padded(&self) -> Option<JpegError> {
        let (at, pattern) = self.bits.padding()?;
        Some(JpegError::Padded { at, pattern })
    }

    /// Ends the scan. Returns where the marker after it begins.
    fn end(mut self) -> Result<usize, JpegError> {
        match self.padded() {
            Some(error) => Err(error),
            None => Ok(self.bits.skip_to_marker()),
        }
    }
}

/// Takes the DC coefficients of the first component's blocks while a sequential scan is skipped.
pub(super) trait DcSink {
    /// Takes the coefficient, not yet multiplied by its quantization step, of the block in `column` and
    /// `row`, counted in blocks of the component. Blocks may lie outside the picture.
    fn put(&mut self, column: usize, row: usize, coefficient: i32);
}

/// Ignores the coefficients.
impl DcSink for () {
    fn put(&mut self, _: usize, _: usize, _: i32) {}
}

/// A block of an MCU.
struct Block<'a> {
    dc: &'a Table,
    ac: &'a Table,
    /// Index of its component.
    component: usize,
    /// Its column and row in the MCU.
    place: (usize, usize),
    /// [`Scan::dc_limit`].
    limit: u32,
}

/// Skips a sequential scan. Returns where the marker after it begins.
pub(super) fn skip_sequential<S: DcSink>(scan: &Scan<'_>, sink: &mut S) -> Result<usize, JpegError> {
    let (frame, header, tables) = (scan.frame, scan.header, scan.tables);
    // The blocks of an MCU, in order.
    let mut blocks: heapless::Vec<Block<'_>, { 4 * 16 }> = heapless::Vec::new();
    let mut size = (1, 1);
    for part in header.parts() {
        let (dc, ac) = (tables.dc(part.dc)?, tables.ac(part.ac)?);
        let component = &frame.components[part.component];
        let (across, down) = match header.parts().len() {
            1 => (1, 1),
            _ => (usize::from(component.h), usize::from(component.v)),
        };
        if part.component == 0 {
            size = (across, down);
        }
        let limit = scan.dc_limit(part.component);
        // A sampling factor is at most 4, so all blocks fit.
        blocks.extend((0..across * down).map(|index| Block {
            dc,
            ac,
            component: part.component,
            place: (index % across, index / across),
            limit,
        }));
    }
    let (across, down) = frame.mcus_of(header);
    let mut progress = Progress::new(scan, across * down * blocks.len());
    // By component.
    let mut coefficients = [0_i32; 4];
    for row in 0..down {
        for column in 0..across {
            if progress.begin_mcu()? {
                coefficients = [0; 4];
            }
            for block in &blocks {
                let difference = match progress.bits.skip_block(block.dc, block.ac) {
                    Ok(difference) => difference,
                    Err(stop) => return Err(progress.stopped(stop)),
                };
                // A frame has at most four components.
                let coefficient = &mut coefficients[block.component & 3];
                *coefficient = coefficient.wrapping_add(difference);
                if coefficient.unsigned_abs() > block.limit {
                    return Err(progress.out_of_range());
                }
                if block.component == 0 {
                    let (x, y) = block.place;
                    sink.put(column * size.0 + x, row * size.1 + y, *coefficient);
                }
                progress.blocks = progress.blocks.wrapping_add(1);
            }
        }
    }
    progress.end()
}

/// Skips a progressive scan (T.81, G.1.2), as [`skip_sequential`] does.
pub(super) fn skip_progressive(
    scan: &Scan<'_>,
    coefficients: &mut [Coefficients],
) -> Result<usize, JpegError> {
    let (frame, header) = (scan.frame, scan.header);
    if header.first == 0 {
        return skip_dc(scan);
    }
    let [part] = header.parts() else {
        // Scans of AC coefficients have one component (T.81, G.1.1.1.1).
        return Err(JpegError::Segment(scan.at));
    };
    let ac = scan.tables.ac(part.ac)?;
    let (across, down) = frame.blocks_of(&frame.components[part.component]);
    let coefficients = &mut coefficients[part.component];
    let mut progress = Progress::new(scan, across * down);
    let mut run = 0_u32;
    for row in 0..down {
        for column in 0..across {
            if progress.begin_mcu()? {
                run = 0;
            }
            let nonzero = &mut coefficients.nonzero[row * coefficients.columns + column];
            let skipped = if header.high == 0 {
                skip_ac_first(&mut progress.bits, ac, header, nonzero, &mut run)
            } else {
                skip_ac_refinement(&mut progress.bits, ac, header, nonzero, &mut run)
            };
            skipped.map_err(|stop| progress.stopped(stop))?;
            progress.blocks += 1;
        }
    }
    progress.end()
}

/// The blocks of a component in an MCU of a scan of DC coefficients.
struct DcBlocks<'a> {
    count: usize,
    /// `None` in a refinement, which has one bit per block.
    table: Option<&'a Table>,
    limit: u32,
    /// The DC coefficient of the last block.
    coefficient: i32,
}

fn skip_dc(scan: &Scan<'_>) -> Result<usize, JpegError> {
    let (frame, header) = (scan.frame, scan.header);
    let mut parts: heapless::Vec<DcBlocks<'_>, 4> = heapless::Vec::new();
    for part in header.parts() {
        let component = &frame.components[part.component];
        let blocks = DcBlocks {
            count: match header.parts().len() {
                1 => 1,
                _ => usize::from(component.h) * usize::from(component.v),
            },
            table: match header.high {
                0 => Some(scan.tables.dc(part.dc)?),
                _ => None,
            },
            // Coefficients are rounded down when they are shifted (T.81, G.1.2.1).
            limit: (scan.dc_limit(part.component) >> header.low).saturating_add(1),
            coefficient: 0,
        };
        // A scan has at most four parts.
        let _ = parts.push(blocks);
    }
    let (across, down) = frame.mcus_of(header);
    let mcus = across * down;
    let expected = mcus * parts.iter().map(|part| part.count).sum::<usize>();
    let mut progress = Progress::new(scan, expected);
    for _ in 0..mcus {
        let is_restart = progress.begin_mcu()?;
        for part in &mut parts {
            if is_restart {
                part.coefficient = 0;
            }
            for _ in 0..part.count {
                let bits = &mut progress.bits;
                let read = match part.table {
                    Some(table) => bits.symbol(table).and_then(|size| bits.value(size & 15)),
                    None => bits.take(1).map(|_| 0),
                };
                let difference = read.map_err(|stop| progress.stopped(stop))?;
                part.coefficient = part.coefficient.wrapping_add(difference);
                if part.coefficient.unsigned_abs() > part.limit {
                    return Err(progress.out_of_range());
                }
                progress.blocks += 1;
            }
        }
    }
    progress.end()
}

/// `run` is the number of blocks, this one included, that have no further coefficient in this scan.
fn skip_ac_first(
    bits: &mut Bits<'_>,
    ac: &Table,
    scan: &ScanHeader,
    nonzero: &mut u64,
    run: &mut u32,
) -> Result<(), Stop> {
    if *run > 0 {
        *run -= 1;
        return Ok(());
    }
    let mut k = u32::from(scan.first);
    while k <= u32::from(scan.last) {
        let symbol = bits.symbol(ac)?;
        let (zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && zeros < 15 {
            *run = (1 << zeros) - 1 + bits.take(zeros)?;
            return Ok(());
        }
        k += zeros;
        if size > 0 {
            bits.take(size)?;
            *nonzero |= 1 << (k & 63);
        }
        k += 1;
    }
    Ok(())
}

/// As [`skip_ac_first`], for a scan that adds a bit to each coefficient.
fn skip_ac_refinement(
    bits: &mut Bits<'_>,
    ac: &Table,
    scan: &ScanHeader,
    nonzero: &mut u64,
    run: &mut u32,
) -> Result<(), Stop> {
    let (mut k, last) = (u32::from(scan.first), u32::from(scan.last));
    while *run == 0 && k <= last {
        let symbol = bits.symbol(ac)?;
        let (mut zeros, size) = (u32::from(symbol >> 4), symbol & 15);
        if size == 0 && zeros < 15 {
            *run = (1 << zeros) + bits.take(zeros)?;
            break;
        }
        if size > 0 {
            // The sign of a new coefficient.
            bits.take(1)?;
        }
        while k <= last {
            if *nonzero & 1 << k != 0 {
                bits.take(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        if size > 0 && k <= last {
            *nonzero |= 1 << k;
        }
        k += 1;
    }
    if *run > 0 {
        let rest = if k <= last {
            *nonzero & (!0 << k) & (!0 >> (63 - last))
        } else {
            0
        };
        for _ in 0..rest.count_ones() {
            bits.take(1)?;
        }
        *run -= 1;
    }
    Ok(())
}
