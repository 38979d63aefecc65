//! BT.601 limited range YUV to RGB, a row at a time.
//!
//! ITU-R BT.601, 8 bits: R = 1.164 (Y-16) + 1.596 (V-128), G = 1.164 (Y-16) - 0.391 (U-128) - 0.813 (V-128),
//! B = 1.164 (Y-16) + 2.018 (U-128). Computed in 16-bit fixed point with six fraction bits, so that eight
//! pixels fit one vector register; the result is within 1 of the exact value.
//!
//! The inner loops use wrapping arithmetic: no operand can overflow (the ranges stand beside each), and the
//! checks that this crate is built with would keep the compiler from vectorising.

/// Pixels converted at a time, through planar arrays that stay in registers or the first cache level.
const BLOCK: usize = 32;

/// One block's samples, chroma already repeated for each pixel.
struct Block {
    y: [u8; BLOCK],
    u: [u8; BLOCK],
    v: [u8; BLOCK],
}

impl Block {
    const BLACK: Self = Self {
        y: [16; BLOCK],
        u: [128; BLOCK],
        v: [128; BLOCK],
    };

    /// Converts the block and writes its first `out.len() / 3` pixels.
    #[inline(always)]
    fn write(&self, out: &mut [u8]) {
        let mut r = [0_u8; BLOCK];
        let mut g = [0_u8; BLOCK];
        let mut b = [0_u8; BLOCK];
        for i in 0..BLOCK {
            // 1.164 * 64 * 255 = 18997 after the multiplication by 257 / 65536; less 16 * 74.5, plus a half
            // for rounding: -1160 to 17837.
            let luma = u32::from(self.y[i]).wrapping_mul(257).wrapping_mul(18_997) >> 16;
            let luma = (luma as i16).wrapping_sub(1160);
            // -128 to 127
            let u = i16::from(self.u[i]).wrapping_sub(128);
            let v = i16::from(self.v[i]).wrapping_sub(128);
            // The only sum that can leave 16 bits is blue's, 17837 + 129 * 127: it saturates far above 255.
            r[i] = to_byte(luma.saturating_add(v.wrapping_mul(102)));
            g[i] = to_byte(luma.wrapping_sub(u.wrapping_mul(25).wrapping_add(v.wrapping_mul(52))));
            b[i] = to_byte(luma.saturating_add(u.wrapping_mul(129)));
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
pub(super) fn yuyv_row(row: &[u8], out: &mut [u8]) {
    let mut block = Block::BLACK;
    for (row, out) in row.chunks(BLOCK * 2).zip(out.chunks_mut(BLOCK * 3)) {
        for (i, pair) in row.chunks_exact(4).enumerate() {
            let i = i * 2;
            (block.y[i], block.y[i + 1]) = (pair[0], pair[2]);
            (block.u[i], block.u[i + 1]) = (pair[1], pair[1]);
            (block.v[i], block.v[i + 1]) = (pair[3], pair[3]);
        }
        block.write(out);
    }
}

/// A row of luma and its row of `U V` pairs; `uv` holds `ceil(width / 2) * 2` bytes.
pub(super) fn nv12_row(luma: &[u8], uv: &[u8], out: &mut [u8]) {
    let mut block = Block::BLACK;
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
        block.write(out);
    }
}

/// A row of luma and its rows of U and V, `ceil(width / 2)` bytes each.
pub(super) fn yu12_row(luma: &[u8], u: &[u8], v: &[u8], out: &mut [u8]) {
    let mut block = Block::BLACK;
    let chroma = u.chunks(BLOCK / 2).zip(v.chunks(BLOCK / 2));
    for ((luma, (u, v)), out) in luma.chunks(BLOCK).zip(chroma).zip(out.chunks_mut(BLOCK * 3)) {
        block.y[..luma.len()].copy_from_slice(luma);
        for (i, (&u, &v)) in u.iter().zip(v).enumerate() {
            let i = i * 2;
            (block.u[i], block.u[i + 1]) = (u, u);
            (block.v[i], block.v[i + 1]) = (v, v);
        }
        block.write(out);
    }
}
