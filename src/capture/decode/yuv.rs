//! YUV to RGB, a row at a time.
//!
//! ITU-R BT.601, 8 bits, limited range: R = 1.164 (Y-16) + 1.596 (V-128), G = 1.164 (Y-16) - 0.392 (U-128) -
//! 0.813 (V-128), B = 1.164 (Y-16) + 2.017 (U-128); the other matrices and full range are analogous. Computed
//! in 16-bit fixed point with six fraction bits, so eight pixels fit into one vector register; the result is
//! within 2.3 of the exact value.
//!
//! The inner loops use wrapping arithmetic: no operand can overflow (the ranges are stated beside each), and
//! overflow checks would prevent vectorization.

use crate::capture::color::{ColorEncoding, Matrix, Range};

/// Pixels converted at a time, through planar arrays that stay in registers or the first cache level.
const BLOCK: usize = 32;

/// The factors of a conversion, times 64.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    /// The factor of Y, times 255: 16,320 for full range, 18,997 for limited range.
    luma: u32,
    /// Added to luma: the black level, and a half for rounding.
    offset: i16,
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

impl Factors {
    /// Factors for `encoding`, with `range` if the encoding does not state one.
    pub(super) fn new(encoding: ColorEncoding, range: Range) -> Self {
        let range = encoding.range.unwrap_or(range);
        let matrix = encoding.matrix.unwrap_or(Matrix::Bt601);
        let [red_v, green_u, green_v, blue_u] = match (matrix, range) {
            (Matrix::Bt601, Range::Limited) => [102, 25, 52, 129],
            (Matrix::Bt601, Range::Full) => [90, 22, 46, 113],
            (Matrix::Bt709, Range::Limited) => [115, 14, 34, 135],
            (Matrix::Bt709, Range::Full) => [101, 12, 30, 119],
            (Matrix::Bt2020, Range::Limited) => [107, 12, 42, 137],
            (Matrix::Bt2020, Range::Full) => [94, 11, 37, 120],
        };
        let (luma, offset) = match range {
            // 16 * 74.5 minus a half
            Range::Limited => (18_997, -1160),
            Range::Full => (16_320, 32),
        };
        Self {
            luma,
            offset,
            red_v,
            green_u,
            green_v,
            blue_u,
        }
    }
}

/// One block's samples, chroma already repeated for each pixel.
struct Block {
    y: [u8; BLOCK],
    u: [u8; BLOCK],
    v: [u8; BLOCK],
}

impl Block {
    const GREY: Self = Self {
        y: [16; BLOCK],
        u: [128; BLOCK],
        v: [128; BLOCK],
    };

    /// Converts the block and writes its first `out.len() / 3` pixels.
    #[inline(always)]
    fn write(&self, factors: &Factors, out: &mut [u8]) {
        let mut r = [0_u8; BLOCK];
        let mut g = [0_u8; BLOCK];
        let mut b = [0_u8; BLOCK];
        for i in 0..BLOCK {
            // 0 to 18,997 after the multiplication by 257 / 65,536; with the offset -1160 to 17,837.
            let luma = u32::from(self.y[i]).wrapping_mul(257).wrapping_mul(factors.luma) >> 16;
            let luma = (luma as i16).wrapping_add(factors.offset);
            // -128 to 127
            let u = i16::from(self.u[i]).wrapping_sub(128);
            let v = i16::from(self.v[i]).wrapping_sub(128);
            // Factors are at most 137. The sums for red and blue can leave 16 bits: 17,837 + 137 * 127. They
            // saturate far above 255.
            r[i] = to_byte(luma.saturating_add(v.wrapping_mul(factors.red_v)));
            let green = u
                .wrapping_mul(factors.green_u)
                .wrapping_add(v.wrapping_mul(factors.green_v));
            g[i] = to_byte(luma.wrapping_sub(green));
            b[i] = to_byte(luma.saturating_add(u.wrapping_mul(factors.blue_u)));
        }
        for (((out, r), g), b) in out.chunks_exact_mut(3).zip(&r).zip(&g).zip(&b) {
            out[0] = *r;
            out[1] = *g;
            out[2] = *b;
        }
    }
}

#[inline(always)]
fn to_byte(value: i16) -> u8 {
    (value >> 6).clamp(0, 255) as u8
}

/// `Y0 U Y1 V`; `row` holds `ceil(width / 2) * 4` bytes, `out` `width * 3`.
pub(super) fn yuyv_row(row: &[u8], factors: &Factors, out: &mut [u8]) {
    let mut block = Block::GREY;
    for (row, out) in row.chunks(BLOCK * 2).zip(out.chunks_mut(BLOCK * 3)) {
        for (i, pair) in row.chunks_exact(4).enumerate() {
            let i = i * 2;
            (block.y[i], block.y[i + 1]) = (pair[0], pair[2]);
            (block.u[i], block.u[i + 1]) = (pair[1], pair[1]);
            (block.v[i], block.v[i + 1]) = (pair[3], pair[3]);
        }
        block.write(factors, out);
    }
}

/// A row of luma and its row of `U V` pairs; `uv` holds `ceil(width / 2) * 2` bytes.
pub(super) fn nv12_row(luma: &[u8], uv: &[u8], factors: &Factors, out: &mut [u8]) {
    let mut block = Block::GREY;
    for ((luma, uv), out) in luma
        .chunks(BLOCK)
        .zip(uv.chunks(BLOCK))
        .zip(out.chunks_mut(BLOCK * 3))
    {
        block.y[..luma.len()].copy_from_slice(luma);
        for (i, pair) in uv.chunks_exact(2).enumerate() {
            let i = i * 2;
            (block.u[i], block.u[i + 1]) = (pair[0], pair[0]);
            (block.v[i], block.v[i + 1]) = (pair[1], pair[1]);
        }
        block.write(factors, out);
    }
}

/// A row of luma and its rows of U and V, `ceil(width / 2)` bytes each.
pub(super) fn yu12_row(luma: &[u8], u: &[u8], v: &[u8], factors: &Factors, out: &mut [u8]) {
    let mut block = Block::GREY;
    let chroma = u.chunks(BLOCK / 2).zip(v.chunks(BLOCK / 2));
    for ((luma, (u, v)), out) in luma.chunks(BLOCK).zip(chroma).zip(out.chunks_mut(BLOCK * 3)) {
        block.y[..luma.len()].copy_from_slice(luma);
        for (i, (&u, &v)) in u.iter().zip(v).enumerate() {
            let i = i * 2;
            (block.u[i], block.u[i + 1]) = (u, u);
            (block.v[i], block.v[i + 1]) = (v, v);
        }
        block.write(factors, out);
    }
}

/// A row of luma alone.
pub(super) fn grey_row(luma: &[u8], factors: &Factors, out: &mut [u8]) {
    let mut block = Block::GREY;
    for (luma, out) in luma.chunks(BLOCK).zip(out.chunks_mut(BLOCK * 3)) {
        block.y[..luma.len()].copy_from_slice(luma);
        block.write(factors, out);
    }
}
