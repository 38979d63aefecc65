//! Huffman tables and the bits of entropy-coded data (ITU-T T.81, annexes C and F).
//!
//! Mostly only lengths matter: symbols are skipped, and DC is the only coefficient that is computed. The
//! inner loops use wrapping arithmetic, because overflow checks cost a third of the time; no operand can
//! overflow.

/// Bits that one look-up resolves.
const LOOKAHEAD: u32 = 10;

/// A Huffman table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Indexed by the next [`LOOKAHEAD`] bits. The lower byte is the number of bits of the code and the value
    /// after it; the upper byte is the number of coefficients to advance by, [`END_OF_BLOCK`] for the rest of
    /// the block. 0 for a longer or undefined code.
    skip: [u16; 1 << LOOKAHEAD],
    /// Like `skip`, for as many consecutive codes of a block as these bits hold; 0 before
    /// [`Table::join_codes`].
    skip_run: [u16; 1 << LOOKAHEAD],
    /// Indexed by the next [`LOOKAHEAD`] bits: the symbol, if `skip` is not 0.
    found: [u8; 1 << LOOKAHEAD],
    /// By length: the first code that is longer, left-aligned in 16 bits.
    limit: [u32; 17],
    /// By length: index of the symbol of code 0.
    offset: [i32; 17],
    symbols: [u8; 256],
}

/// More coefficients than a block has.
const END_OF_BLOCK: u16 = 64;

/// Up to this coefficient of a block, several codes may be skipped at once: all but the last of them advance
/// by less than the rest of the block, so none of them belongs to the next block.
const LAST_OF_RUN: u16 = 32;

/// Bits that [`Bits::refill`] provides.
const REFILLED: u16 = 32;

impl Table {
    /// From the number of codes of each length from 1 to 16 bits and the symbols in the order of their codes.
    /// `None` if the codes do not fit their lengths.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            skip: [0; 1 << LOOKAHEAD],
            skip_run: [0; 1 << LOOKAHEAD],
            found: [0; 1 << LOOKAHEAD],
            limit: [0; 17],
            offset: [0; 17],
            symbols: [0; 256],
        };
        table.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offset[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(index)?;
                if length <= LOOKAHEAD {
                    let first = (code << (LOOKAHEAD - length)) as usize;
                    let entries = table.skip.get_mut(first..first + (1 << (LOOKAHEAD - length)))?;
                    entries.fill(entry(length, symbol));
                    table.found[first..first + (1 << (LOOKAHEAD - length))].fill(symbol);
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Allows several codes of a block to be skipped at a time, for a table of AC coefficients. Most codes
    /// are short.
    pub(super) fn join_codes(&mut self) {
        let all = 1_usize << LOOKAHEAD;
        for (first, run) in self.skip_run.iter_mut().enumerate() {
            *run = self.skip[first];
            // Once a run is longer than the look-up or at the end of its block, nothing follows.
            while *run != 0 && *run & 0xFF < LOOKAHEAD as u16 && *run >> 8 < 64 - LAST_OF_RUN {
                let bits = *run & 0xFF;
                let next = (first << bits) & (all - 1);
                let entry = self.skip[next];
                let length = (entry & 0xFF).wrapping_sub(u16::from(self.found[next] & 15));
                // The bits after the known ones look like zeros.
                let is_known = entry != 0 && bits + length <= LOOKAHEAD as u16;
                if !is_known || bits + (entry & 0xFF) > REFILLED {
                    break;
                }
                *run += entry;
            }
        }
    }

    /// Length and symbol of the code that `bits` begin with.
    fn find(&self, bits: u64) -> Option<(u32, u8)> {
        let next = (bits >> 48) as u32;
        let length = (1..=16).find(|&length| next < self.limit[length as usize])?;
        let code = next >> (16 - length);
        let index = code as i32 + self.offset[length as usize];
        let symbol = self.symbols.get(usize::try_from(index).ok()?)?;
        Some((length, *symbol))
    }

    #[cold]
    fn find_entry(&self, bits: u64) -> Option<u16> {
        let (length, symbol) = self.find(bits)?;
        Some(entry(length, symbol))
    }
}

/// An entry of [`Table::skip`].
fn entry(length: u32, symbol: u8) -> u16 {
    let (run, size) = (u16::from(symbol >> 4), u16::from(symbol & 15));
    let advance = if size == 0 && run != 15 {
        END_OF_BLOCK
    } else {
        run + 1
    };
    advance << 8 | (length as u16 + size)
}

/// Why a block cannot be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The data end, or a marker comes.
    End,
    /// A code is not in the table.
    Code,
}

/// Reads entropy-coded data up to the next marker.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Next byte that is not in `buffer`.
    at: usize,
    /// The next bits, left-aligned; zeros follow.
    buffer: u64,
    /// Number of bits in `buffer`; negative once more were consumed than there are.
    left: i32,
    /// `at` is at a marker or at the end.
    ended: bool,
}

impl<'a> Bits<'a> {
    /// From byte `at` of `data`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            buffer: 0,
            left: 0,
            ended: false,
        }
    }

    /// Refills the buffer to at least 32 bits, if the data hold that many.
    #[inline(always)]
    fn refill(&mut self) {
        if self.left >= 32 || self.ended {
            return;
        }
        if let Some(word) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
            let word = u32::from_be_bytes(*word);
            // No byte is FF if no byte of the complement is 0.
            let complement = !word;
            let zero = complement.wrapping_sub(0x0101_0101) & word & 0x8080_8080;
            if zero == 0 {
                self.buffer |= u64::from(word) << (32 - self.left);
                self.left = self.left.wrapping_add(32);
                self.at = self.at.wrapping_add(4);
                return;
            }
        }
        self.refill_by_bytes();
    }

    #[cold]
    fn refill_by_bytes(&mut self) {
        while self.left <= 56 {
            let Some(&byte) = self.data.get(self.at) else {
                self.ended = true;
                return;
            };
            if byte == 0xFF {
                // Fill bytes may also precede the stuffed zero: decoders accept them.
                let fill = self.data[self.at..]
                    .iter()
                    .take_while(|&&byte| byte == 0xFF)
                    .count();
                if self.data.get(self.at + fill) != Some(&0) {
                    self.ended = true;
                    return;
                }
                self.at += fill;
            }
            self.at += 1;
            self.buffer |= u64::from(byte) << (56 - self.left);
            self.left += 8;
        }
    }

    /// Drops `count` bits, at most 32, of those that [`Bits::refill`] provided.
    #[inline(always)]
    fn consume(&mut self, count: u32) {
        self.buffer = self.buffer.wrapping_shl(count);
        self.left = self.left.wrapping_sub(count as i32);
    }

    /// The next `count` bits, at most 16.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Stop> {
        self.refill();
        let value = (self.buffer >> 32) as u32;
        self.consume(count);
        if self.left < 0 {
            return Err(Stop::End);
        }
        Ok(value.checked_shr(32 - count).unwrap_or(0))
    }

    /// The next symbol.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, Stop> {
        self.refill();
        let Some((length, symbol)) = table.find(self.buffer) else {
            return Err(self.undefined());
        };
        self.consume(length);
        if self.left < 0 {
            return Err(Stop::End);
        }
        Ok(symbol)
    }

    /// Skips a code and the value after it. Returns the number of coefficients that they advance by.
    #[inline(always)]
    fn skip(&mut self, table: &Table) -> Result<u16, Stop> {
        self.refill();
        let mut entry = table.skip[(self.buffer >> (64 - LOOKAHEAD)) as usize];
        if entry == 0 {
            entry = table.find_entry(self.buffer).ok_or_else(|| self.undefined())?;
        }
        self.consume(u32::from(entry & 0xFF));
        Ok(entry >> 8)
    }

    /// Why no code was found: the zeros after the end do not form one either.
    #[cold]
    fn undefined(&self) -> Stop {
        if self.ended && self.left < 16 {
            Stop::End
        } else {
            Stop::Code
        }
    }

    /// Skips a block of a sequential scan (T.81, F.2.2).
    #[inline]
    pub(super) fn skip_block(&mut self, dc: &Table, ac: &Table) -> Result<(), Stop> {
        self.skip(dc)?;
        self.skip_ac(ac)
    }

    /// Like [`Bits::skip_block`], but returns the difference of the DC coefficient from the previous block's
    /// (F.2.2.1).
    #[inline]
    pub(super) fn skip_block_after_dc(&mut self, dc: &Table, ac: &Table) -> Result<i32, Stop> {
        self.refill();
        let next = (self.buffer >> (64 - LOOKAHEAD)) as usize;
        let (length, size) = if dc.skip[next] == 0 {
            dc.find(self.buffer).ok_or_else(|| self.undefined())?
        } else {
            let size = u32::from(dc.found[next] & 15);
            (u32::from(dc.skip[next] & 0xFF).wrapping_sub(size), dc.found[next])
        };
        let size = u32::from(size & 15);
        self.consume(length);
        // At most 15 bits, of which the first is the sign: 0 for negative values, which are stored less one.
        let bits = (self.buffer >> 32) as u32;
        self.consume(size);
        let difference = if size == 0 {
            0
        } else {
            let value = (bits >> 32_u32.wrapping_sub(size)) as i32;
            let is_negative = bits >> 31 == 0;
            if is_negative {
                value.wrapping_sub((1 << size) - 1)
            } else {
                value
            }
        };
        self.skip_ac(ac)?;
        Ok(difference)
    }

    #[inline(always)]
    fn skip_ac(&mut self, ac: &Table) -> Result<(), Stop> {
        let mut k = 1_u16;
        while k <= LAST_OF_RUN {
            self.refill();
            k = k.wrapping_add(match ac.skip_run[(self.buffer >> (64 - LOOKAHEAD)) as usize] {
                0 => self.skip(ac)?,
                run => {
                    self.consume(u32::from(run & 0xFF));
                    run >> 8
                }
            });
        }
        while k < 64 {
            k = k.wrapping_add(self.skip(ac)?);
        }
        // Past the end, zeros were skipped.
        if self.left < 0 { Err(Stop::End) } else { Ok(()) }
    }

    /// Drops the rest of the data. Returns where the next marker begins, or the length of the data if there
    /// is none.
    pub(super) fn skip_to_marker(&mut self) -> usize {
        // While bits are left over, stray bytes may follow before the marker.
        while !self.ended {
            self.left = 0;
            self.buffer = 0;
            self.refill_by_bytes();
        }
        self.at
    }

    /// Continues after a restart marker, if one is next. Stray bytes before it are skipped.
    pub(super) fn restart(&mut self) -> bool {
        let mut at = self.skip_to_marker();
        while self.data.get(at + 1) == Some(&0xFF) {
            at += 1;
        }
        if !matches!(self.data.get(at + 1), Some(0xD0..=0xD7)) {
            return false;
        }
        *self = Self::new(self.data, at + 2);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A table with codes of every length from 2 to 16 bits, which uses every code but the one of all ones.
    fn ac_table(symbols: &[u8]) -> Table {
        let mut counts = [1; 16];
        counts[0] = 0;
        counts[1] = 2;
        Table::new(&counts, symbols).unwrap()
    }

    proptest! {
        /// Blocks end at the same bit, or fail for the same reason, whether codes are skipped one or several at a time.
        #[test]
        fn joined_codes_skip_the_same(
            symbols in prop::collection::vec(any::<u8>(), 16),
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let single = ac_table(&symbols);
            let mut joined = single.clone();
            joined.join_codes();
            let (mut one, mut several) = (Bits::new(&data, 0), Bits::new(&data, 0));
            for _ in 0..100 {
                let expected = one.skip_block(&single, &single);
                prop_assert_eq!(several.skip_block(&single, &joined), expected);
                if expected.is_err() {
                    break;
                }
                let at = |bits: &Bits<'_>| 8 * bits.at as i32 - bits.left;
                prop_assert_eq!(at(&several), at(&one));
            }
        }
    }

    #[test]
    #[expect(clippy::unusual_byte_groupings, reason = "a group for each code")]
    fn several_short_codes_are_joined_up_to_the_end_of_the_block() {
        // 00 is one coefficient of one bit, 01 ends the block.
        let mut table = ac_table(&[
            0x01, 0x00, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x11, 0x12, 0x13, 0x14, 0x15,
        ]);
        table.join_codes();
        let entry = |bits: usize| (table.skip_run[bits] & 0xFF, table.skip_run[bits] >> 8);
        assert_eq!(entry(0b00_0_00_1_01_11), (8, 2 + END_OF_BLOCK));
        assert_eq!(entry(0b01_00_0_00_1_01), (2, END_OF_BLOCK));
        // The fourth code is not known.
        assert_eq!(entry(0b00_0_00_1_00_1_0), (9, 3));
    }
}
