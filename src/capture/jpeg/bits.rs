//! The bits of entropy-coded data (ITU-T T.81, annex F).
//!
//! Mostly only lengths matter: symbols are skipped, and DC is the only coefficient that is computed. The
//! inner loops use wrapping arithmetic, because overflow checks cost a third of the time; no operand can
//! overflow.

use super::huffman::{LAST_OF_RUN, LOOKAHEAD, Table};

/// Equal bytes on each side of the end of a scan's last block that show it to lie in padding. Shorter runs
/// also occur in the data of flat areas.
const PADDING: usize = 16;

/// The longest pattern that padding repeats, in bytes: a pixel of black or grey in any format.
const MAX_PERIOD: usize = 4;

/// Why a block cannot be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The data end, or a marker comes.
    End,
    /// A code is not in the table.
    Code,
}

/// The value that the first `size` of `bits` stand for, which are left-aligned: at most 15, of which the
/// first is the sign, 0 for negative values, which are stored less one.
#[inline(always)]
fn signed(bits: u32, size: u32) -> i32 {
    let value = (u64::from(bits) << size >> 32) as i32;
    // Without branches, which nothing predicts.
    let if_negative = !(bits as i32 >> 31);
    value.wrapping_sub(((1 << size) - 1) & if_negative)
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

    /// The value that `size` bits, at most 15, stand for (T.81, F.2.2.1).
    pub(super) fn value(&mut self, size: u8) -> Result<i32, Stop> {
        let bits = self.take(size.into())?;
        Ok(signed(bits << 1 << (31 - size), size.into()))
    }

    /// Skips a block of a sequential scan (T.81, F.2.2). Returns the difference of the DC coefficient from
    /// the previous block's (F.2.2.1).
    #[inline]
    pub(super) fn skip_block(&mut self, dc: &Table, ac: &Table) -> Result<i32, Stop> {
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
        let difference = signed((self.buffer >> 32) as u32, size);
        self.consume(size);
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

    /// Where padding begins and which bytes it repeats, in hexadecimal, if the data that were read end within
    /// it: they ended earlier, and what followed happened to be a code.
    pub(super) fn padding(&self) -> Option<(usize, String)> {
        // Stuffed zeros among the bytes that are left over do not count, but differ from the FF before them.
        let end = self.at.checked_sub(usize::try_from(self.left).ok()? / 8)?;
        let start = end.checked_sub(PADDING)?;
        let around = self.data.get(start..end + PADDING)?;
        let period = (1..=MAX_PERIOD).find(|period| around[*period..] == around[..around.len() - period])?;
        let begins = (0..start)
            .rev()
            .take_while(|&at| self.data[at] == self.data[at + period])
            .last();
        let pattern = around[..period].iter().map(|byte| format!("{byte:02X}"));
        Some((begins.unwrap_or(start), pattern.collect::<Vec<_>>().join(" ")))
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
    use proptest::prelude::*;

    use super::{super::huffman::tests::ac_table, *};

    proptest! {
        /// Blocks end at the same bit, or fail for the same reason, whether codes are skipped one or several
        /// at a time.
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
}
