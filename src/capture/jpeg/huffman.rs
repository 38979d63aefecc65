//! Huffman tables (ITU-T T.81, annex C).

/// Bits that one look-up resolves.
pub(super) const LOOKAHEAD: u32 = 10;

/// A Huffman table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Indexed by the next [`LOOKAHEAD`] bits. The lower byte is the number of bits of the code and the value
    /// after it; the upper byte is the number of coefficients to advance by, [`END_OF_BLOCK`] for the rest of
    /// the block. 0 for a longer or undefined code.
    pub(super) skip: [u16; 1 << LOOKAHEAD],
    /// Like `skip`, for as many consecutive codes of a block as these bits hold; 0 before
    /// [`Table::join_codes`].
    pub(super) skip_run: [u16; 1 << LOOKAHEAD],
    /// Indexed by the next [`LOOKAHEAD`] bits: the symbol, if `skip` is not 0.
    pub(super) found: [u8; 1 << LOOKAHEAD],
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
pub(super) const LAST_OF_RUN: u16 = 32;

/// Bits that are there when a code is looked up.
pub(super) const REFILLED: u16 = 32;

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
    pub(super) fn find(&self, bits: u64) -> Option<(u32, u8)> {
        let next = (bits >> 48) as u32;
        let length = (1..=16).find(|&length| next < self.limit[length as usize])?;
        let code = next >> (16 - length);
        let index = code as i32 + self.offset[length as usize];
        let symbol = self.symbols.get(usize::try_from(index).ok()?)?;
        Some((length, *symbol))
    }

    #[cold]
    pub(super) fn find_entry(&self, bits: u64) -> Option<u16> {
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

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A table with codes of every length from 2 to 16 bits, which uses every code but the one of all ones.
    pub(in crate::capture::jpeg) fn ac_table(symbols: &[u8]) -> Table {
        let mut counts = [1; 16];
        counts[0] = 0;
        counts[1] = 2;
        Table::new(&counts, symbols).unwrap()
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
