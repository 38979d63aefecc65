//! Skips through the Huffman codes of a scan to check that every block is present.
//!
//! Markers cannot show this: half a picture may end in an EOI, and a whole picture may lack it.

use super::{
    error::JpegError,
    header::{Component, FrameHeader, ScanHeader},
    huffman::{Bits, Stop, Table},
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
    fn new(data: &'a [u8], at: usize, interval: u16, expected: usize) -> Self {
        Self {
            bits: Bits::new(data, at),
            interval: usize::from(interval),
            until_restart: usize::from(interval),
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
            Stop::Code => JpegError::Code { block: self.blocks },
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
}

/// Takes the DC coefficients of the first component's blocks while a sequential scan is skipped.
pub(super) trait DcSink {
    /// Whether coefficients are wanted at all; reading them costs a little more than skipping them.
    const WANTED: bool;

    /// Takes the coefficient, not yet multiplied by its quantization step, of the block in `column` and `row`,
    /// counted in blocks of the component. Blocks may lie outside the picture.
    fn put(&mut self, column: usize, row: usize, coefficient: i32);
}

/// Ignores the coefficients.
impl DcSink for () {
    const WANTED: bool = false;

    fn put(&mut self, _: usize, _: usize, _: i32) {}
}

/// A block of an MCU.
struct Block<'a> {
    dc: &'a Table,
    ac: &'a Table,
    /// Its column and row in the MCU, if it belongs to the first component.
    place: Option<(usize, usize)>,
}

/// Skips a sequential scan whose data begin at byte `at`. Returns where the marker after it begins.
pub(super) fn skip_sequential<S: DcSink>(
    data: &[u8],
    at: usize,
    frame: &FrameHeader,
    scan: &ScanHeader,
    tables: &Tables,
    interval: u16,
    sink: &mut S,
) -> Result<usize, JpegError> {
    // The blocks of an MCU, in order.
    let mut blocks: heapless::Vec<Block<'_>, { 4 * 16 }> = heapless::Vec::new();
    let mut size = (1, 1);
    for part in scan.parts() {
        let (dc, ac) = (tables.dc(part.dc)?, tables.ac(part.ac)?);
        let component = &frame.components[part.component];
        let (across, down) = match scan.parts().len() {
            1 => (1, 1),
            _ => (usize::from(component.h), usize::from(component.v)),
        };
        let is_first = part.component == 0;
        if is_first {
            size = (across, down);
        }
        // A sampling factor is at most 4, so all blocks fit.
        blocks.extend((0..across * down).map(|index| Block {
            dc,
            ac,
            place: (S::WANTED && is_first).then_some((index % across, index / across)),
        }));
    }
    let (across, down) = frame.mcus_of(scan);
    let mut progress = Progress::new(data, at, interval, across * down * blocks.len());
    let mut coefficient = 0_i32;
    for row in 0..down {
        for column in 0..across {
            if progress.begin_mcu()? {
                coefficient = 0;
            }
            for Block { dc, ac, place } in &blocks {
                let skipped = match place {
                    None => progress.bits.skip_block(dc, ac),
                    Some((x, y)) => progress.bits.skip_block_after_dc(dc, ac).map(|difference| {
                        coefficient = coefficient.wrapping_add(difference);
                        sink.put(column * size.0 + x, row * size.1 + y, coefficient);
                    }),
                };
                if let Err(stop) = skipped {
                    return Err(progress.stopped(stop));
                }
                progress.blocks = progress.blocks.wrapping_add(1);
            }
        }
    }
    Ok(progress.bits.skip_to_marker())
}

/// Skips a progressive scan (T.81, G.1.2), as [`skip_sequential`] does.
pub(super) fn skip_progressive(
    data: &[u8],
    at: usize,
    frame: &FrameHeader,
    scan: &ScanHeader,
    tables: &Tables,
    interval: u16,
    coefficients: &mut [Coefficients],
) -> Result<usize, JpegError> {
    if scan.first == 0 {
        return skip_dc(data, at, frame, scan, tables, interval);
    }
    let [part] = scan.parts() else {
        // Scans of AC coefficients have one component (T.81, G.1.1.1.1).
        return Err(JpegError::Segment(at));
    };
    let ac = tables.ac(part.ac)?;
    let (across, down) = frame.blocks_of(&frame.components[part.component]);
    let coefficients = &mut coefficients[part.component];
    let mut progress = Progress::new(data, at, interval, across * down);
    let mut run = 0_u32;
    for row in 0..down {
        for column in 0..across {
            if progress.begin_mcu()? {
                run = 0;
            }
            let nonzero = &mut coefficients.nonzero[row * coefficients.columns + column];
            let skipped = if scan.high == 0 {
                skip_ac_first(&mut progress.bits, ac, scan, nonzero, &mut run)
            } else {
                skip_ac_refinement(&mut progress.bits, ac, scan, nonzero, &mut run)
            };
            skipped.map_err(|stop| progress.stopped(stop))?;
            progress.blocks += 1;
        }
    }
    Ok(progress.bits.skip_to_marker())
}

fn skip_dc(
    data: &[u8],
    at: usize,
    frame: &FrameHeader,
    scan: &ScanHeader,
    tables: &Tables,
    interval: u16,
) -> Result<usize, JpegError> {
    let mut counts: heapless::Vec<(usize, Option<&Table>), 4> = heapless::Vec::new();
    for part in scan.parts() {
        let component = &frame.components[part.component];
        let count = match scan.parts().len() {
            1 => 1,
            _ => usize::from(component.h) * usize::from(component.v),
        };
        // A refinement is one bit per block.
        let table = if scan.high == 0 {
            Some(tables.dc(part.dc)?)
        } else {
            None
        };
        // A scan has at most four parts.
        let _ = counts.push((count, table));
    }
    let (across, down) = frame.mcus_of(scan);
    let mcus = across * down;
    let expected = mcus * counts.iter().map(|(count, _)| count).sum::<usize>();
    let mut progress = Progress::new(data, at, interval, expected);
    for _ in 0..mcus {
        progress.begin_mcu()?;
        for &(count, table) in &counts {
            for _ in 0..count {
                let skipped = match table {
                    Some(table) => progress
                        .bits
                        .symbol(table)
                        .and_then(|size| progress.bits.take(u32::from(size & 15))),
                    None => progress.bits.take(1),
                };
                skipped.map_err(|stop| progress.stopped(stop))?;
                progress.blocks += 1;
            }
        }
    }
    Ok(progress.bits.skip_to_marker())
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
