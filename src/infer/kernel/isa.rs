//! The interface of the kernels to one SIMD instruction set.
//!
//! A kernel is a [`SimdOp`], written once against [`Isa`] and compiled for every instruction set;
//! [`SimdLevel::dispatch`](super::SimdLevel) picks the copy to run. All instruction sets share one vector
//! width of [`LANES`] elements, whatever number of registers that takes, and therefore one memory layout.

/// Elements of one vector, on every instruction set.
pub(crate) const LANES: usize = 16;

/// Channels that one 4-way dot product (`vpdpbusd`, `sdot`) consumes. Both operands of a GEMM are packed in
/// groups of this size along K, with padding at the end.
pub(super) const K_PACK: usize = 4;

/// One K group of a row operand.
pub(super) type RowGroup = [u8; K_PACK];

/// One K group of a panel: that of [`LANES`] rows, interleaved.
pub(super) type PanelGroup = [u8; LANES * K_PACK];

/// 1.5 * 2^23. Adding it to a float of at most 2^22 rounds to the nearest integer, ties to even, and leaves
/// that integer in the low bits of the mantissa.
pub(crate) const ROUND_TO_INT: f32 = 12_582_912.0;

/// One instruction set. A value of the type proves that the processor has it.
///
/// Methods are safe to call because calling them requires a value. A function that takes an `isa: I` must be
/// `#[inline(always)]` down to the intrinsics, so that it is compiled for the instruction set. This affects
/// speed, not safety.
///
/// # Safety
///
/// Implementations guarantee:
///
/// 1. **Existence.** A value of the type exists only on a processor that has every instruction that the
///    methods use. If that is not every processor of the architecture, the only constructor is `unsafe` and
///    documents it.
/// 2. **Bounds.** The methods access no memory but the arrays and slices that they are given, without
///    requirements on alignment. The methods that require more of their callers, [`Isa::dot_tile`] and
///    [`Isa::float_tile`], are `unsafe` and document it.
pub(crate) unsafe trait Isa: Copy {
    /// Whether a fused multiply-add is one instruction.
    const FMA: bool;
    /// Bytes of a quantized activation. One byte is asymmetric, with 256 levels from the token's minimum to
    /// its maximum. Two bytes are symmetric, with up to 65,535 levels, for layers that are worth the slower
    /// 16-bit products.
    const ACTIVATION_BYTES: usize = 1;
    /// Whether one-byte activations are unsigned, as some dot products require, or signed.
    const UNSIGNED: bool;
    /// Rows of the largest GEMM tile that stays in registers, at most eight.
    const TILE_ROWS: usize;
    /// Vectors of that tile, at most three.
    const TILE_VECTORS: usize;
    /// Rows of the largest tile of the float product that stays in registers, at most eight.
    const FLOAT_ROWS: usize;
    /// Vectors of that tile, at most three.
    const FLOAT_VECTORS: usize;
    /// Whether [`Isa::float_tile`] computes the upper halves of vectors faster than whole ones.
    const FLOAT_HALVES: bool = false;
    /// Adjacent pixels of a depthwise convolution whose sums stay in registers, together with the weights of
    /// a row of the kernel and one vector of the input: 3 or 8.
    const DEPTHWISE_PIXELS: usize = 3;
    /// A vector of `i32` accumulators.
    type Acc: Copy;
    /// A vector of `f32`.
    type Floats: Copy;

    /// Accumulators of zero.
    fn acc_zero(self) -> Self::Acc;

    /// Adds to each accumulator the dot product of `row` and its lane of `panel`. One side holds activations,
    /// the other signed weights other than -128; `ACTIVATION_ROWS` means that the activations are in the row.
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        acc: Self::Acc,
        row: RowGroup,
        panel: &PanelGroup,
    ) -> Self::Acc;

    /// The accumulators of one tile: dot products of every row with every lane of every panel, over all K
    /// groups.
    ///
    /// With two-byte activations, four channels of them take two groups. Weights in rows are then two bytes
    /// as well, and panels of weights hold four channels of sixteen outputs, as two pairs.
    ///
    /// # Safety
    /// All panels have the same number of groups, and every row has at least that number; with two-byte
    /// activations in rows, at least twice that number.
    #[inline(always)]
    unsafe fn dot_tile<const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        self,
        rows: [&[RowGroup]; ROWS],
        panels: [&[PanelGroup]; WIDTH],
    ) -> [[Self::Acc; WIDTH]; ROWS] {
        let mut acc = [[self.acc_zero(); WIDTH]; ROWS];
        for group in 0..panels[0].len() {
            for panel in 0..WIDTH {
                // SAFETY: guaranteed by the caller: all panels have the same number of groups.
                let lanes = unsafe { panels[panel].get_unchecked(group) };
                for row in 0..ROWS {
                    // SAFETY: guaranteed by the caller: every row has at least that number.
                    let row_group = unsafe { *rows[row].get_unchecked(group) };
                    acc[row][panel] = self.dot4::<ACTIVATION_ROWS>(acc[row][panel], row_group, lanes);
                }
            }
        }
        acc
    }

    /// Adds to each accumulator the sum over `k` of `rows[row][k] * panels[panel][k]`, as vectors. With
    /// `UPPER`, which is used only with [`Isa::FLOAT_HALVES`], only the upper half of each accumulator is
    /// meaningful afterwards.
    ///
    /// # Safety
    /// All panels have the same number of vectors, and every row has at least that number of values.
    #[inline(always)]
    unsafe fn float_tile<const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
        self,
        mut acc: [[Self::Floats; WIDTH]; ROWS],
        rows: [&[f32]; ROWS],
        panels: [&[[f32; LANES]]; WIDTH],
    ) -> [[Self::Floats; WIDTH]; ROWS] {
        for k in 0..panels[0].len() {
            let mut lanes = [self.splat(0.0); WIDTH];
            for panel in 0..WIDTH {
                // SAFETY: guaranteed by the caller: all panels have the same number of vectors.
                lanes[panel] = self.load(unsafe { panels[panel].get_unchecked(k) });
            }
            for row in 0..ROWS {
                // SAFETY: guaranteed by the caller: every row has at least that number.
                let value = self.splat(unsafe { *rows[row].get_unchecked(k) });
                for panel in 0..WIDTH {
                    acc[row][panel] = self.mul_add(value, lanes[panel], acc[row][panel]);
                }
            }
        }
        acc
    }

    /// Converts accumulators to floats.
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats;

    /// The same value in all lanes.
    fn splat(self, value: f32) -> Self::Floats;

    /// Reads a vector from memory.
    fn load(self, from: &[f32; LANES]) -> Self::Floats;

    /// Writes a vector to memory.
    fn store(self, values: Self::Floats, to: &mut [f32; LANES]);

    /// Writes the upper half of a vector to that of `to`. With [`Isa::FLOAT_HALVES`], the lower half of `to`
    /// is unchanged.
    #[inline(always)]
    fn store_upper(self, values: Self::Floats, to: &mut [f32; LANES]) {
        self.store(values, to);
    }

    /// Quantizes each value as [`quantized`] does, to [`Isa::ACTIVATION_BYTES`] bytes. `to` has room for
    /// them; bytes after them are unchanged.
    #[inline(always)]
    fn quantize(self, values: &[f32; LANES], base: f32, inverse_scale: f32, to: &mut [u8]) {
        for (to, value) in to.chunks_exact_mut(Self::ACTIVATION_BYTES).zip(values) {
            let level = quantized::<Self>(*value, base, inverse_scale).to_le_bytes();
            to.copy_from_slice(&level[..Self::ACTIVATION_BYTES]);
        }
    }

    /// `a * b + c`, fused if [`Isa::FMA`].
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;

    /// `a * b`
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a - b`
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `values * 2^n`, with each integer `n` in the low bits of `exponents`, as left there by adding
    /// [`ROUND_TO_INT`]. Values and results must be positive and normal.
    fn scale_exp2(self, values: Self::Floats, exponents: Self::Floats) -> Self::Floats;

    /// The sum of all lanes.
    #[inline(always)]
    fn reduce_sum(self, values: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(values, &mut lanes);
        for half in [8, 4, 2, 1] {
            let (first, second) = lanes.split_at_mut(half);
            for (sum, other) in first.iter_mut().zip(second) {
                *sum += *other;
            }
        }
        lanes[0]
    }

    /// The minimum of all lanes.
    #[inline(always)]
    fn reduce_min(self, values: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(values, &mut lanes);
        let mut min = lanes[0];
        for lane in lanes {
            min = if lane < min { lane } else { min };
        }
        min
    }

    /// The maximum of all lanes.
    #[inline(always)]
    fn reduce_max(self, values: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(values, &mut lanes);
        let mut max = lanes[0];
        for lane in lanes {
            max = if lane > max { lane } else { max };
        }
        max
    }

    /// `if a > b { then } else { otherwise }` for each lane; `otherwise` where either is NaN.
    #[inline(always)]
    fn select_gt(
        self,
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        otherwise: Self::Floats,
    ) -> Self::Floats {
        let mut lanes = [[0.0; LANES]; 4];
        for (lanes, values) in lanes.iter_mut().zip([a, b, then, otherwise]) {
            self.store(values, lanes);
        }
        let [a, b, then, mut selected] = lanes;
        for lane in 0..LANES {
            selected[lane] = if a[lane] > b[lane] {
                then[lane]
            } else {
                selected[lane]
            };
        }
        self.load(&selected)
    }

    /// The lower of `a` and `b` for each lane. Where either is NaN: `b` or NaN, depending on the instruction
    /// set.
    #[inline(always)]
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
        self.store(a, &mut left);
        self.store(b, &mut right);
        for (a, b) in left.iter().zip(&mut right) {
            *b = if *a < *b { *a } else { *b };
        }
        self.load(&right)
    }

    /// The higher of `a` and `b` for each lane. Where either is NaN: `b` or NaN, depending on the instruction
    /// set.
    #[inline(always)]
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
        self.store(a, &mut left);
        self.store(b, &mut right);
        for (a, b) in left.iter().zip(&mut right) {
            *b = if *a > *b { *a } else { *b };
        }
        self.load(&right)
    }
}

/// A computation that is compiled for every instruction set. [`SimdOp::eval`] must be `#[inline(always)]`:
/// only then are the instructions available where the intrinsics are inlined.
pub(crate) trait SimdOp {
    /// The result.
    type Output;
    /// Computes it.
    fn eval<I: Isa>(self, isa: I) -> Self::Output;
}

/// The quantization level of `value`: `round((value - base) * inverse_scale)`, in the low byte or the low
/// two, offset by 128 where activations are signed bytes.
#[inline(always)]
pub(super) fn quantized<I: Isa>(value: f32, base: f32, inverse_scale: f32) -> u32 {
    let bits = fma::<I>(value - base, inverse_scale, ROUND_TO_INT).to_bits();
    match (I::ACTIVATION_BYTES, I::UNSIGNED) {
        (2, _) => bits & 0xffff,
        (_, true) => bits & 0xff,
        (_, false) => bits & 0xff ^ 0x80,
    }
}

/// `a * b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn fma<I: Isa>(a: f32, b: f32, c: f32) -> f32 {
    if I::FMA { a.mul_add(b, c) } else { a * b + c }
}

/// The first vector of a slice. Panics if the slice is shorter.
#[inline(always)]
pub(crate) fn first_lanes(values: &[f32]) -> &[f32; LANES] {
    // Not `expect`: the check is in the index, and no message has to be formatted.
    values[..LANES].first_chunk().unwrap_or_else(|| unreachable!())
}
