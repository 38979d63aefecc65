//! Which SIMD instructions the kernels use.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512Vnni};
#[cfg(target_arch = "aarch64")]
use super::{dotprod::Dotprod, neon::Neon};
use super::{
    isa::{Isa, SimdOp},
    portable::Portable,
};

/// The SIMD instructions that the kernels use, known to be available.
///
/// A value can only come from the functions below, which query the processor, so dispatching to it is safe:
///
/// ```
/// let level = affectd_infer::SimdLevel::detect();
/// println!("{}", level.describe());
/// ```
///
/// Safe code cannot name a level that it did not detect:
///
/// ```compile_fail,E0423
/// let level = affectd_infer::SimdLevel(());
/// ```
///
/// ```compile_fail,E0599
/// let level = affectd_infer::SimdLevel::Avx512Vnni;
/// ```
///
/// ```compile_fail,E0603
/// use affectd_infer::kernel::Level;
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SimdLevel(Level);

/// Private to this module, like the field above, so code elsewhere in the crate cannot construct a level
/// either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Plain loops, vectorized by LLVM. Integer products are no faster here.
    Portable,
    /// AVX2 and FMA, with two-byte activations.
    #[cfg(target_arch = "x86_64")]
    Avx2Int16,
    /// AVX2 and FMA, with one-byte activations: the products take a third less time. Falls back to
    /// [`Level::Avx2Int16`] for weights that would saturate.
    #[cfg(target_arch = "x86_64")]
    Avx2Int8,
    /// AVX-512 with the 4-way dot product of VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// The baseline of aarch64.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Neon with the 4-way dot product of Armv8.2.
    #[cfg(target_arch = "aarch64")]
    Dotprod,
}

impl fmt::Debug for SimdLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl SimdLevel {
    /// The fastest level that this processor supports.
    #[must_use]
    pub fn detect() -> Self {
        Self::all_supported()
            .last()
            .copied()
            .unwrap_or_else(Self::portable)
    }

    /// The level that every processor of the architecture supports.
    #[must_use]
    pub fn portable() -> Self {
        Self(Level::Portable)
    }

    /// All levels that this processor supports, the fastest last.
    #[must_use]
    pub fn all_supported() -> Vec<Self> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.extend([Level::Avx2Int16, Level::Avx2Int8]);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni")
            {
                levels.push(Level::Avx512Vnni);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            levels.push(Level::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                levels.push(Level::Dotprod);
            }
        }
        levels.into_iter().map(Self).collect()
    }

    /// Which kernels the level uses and, if there are faster ones, what the processor lacks for them.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self.0 {
            Level::Portable => {
                if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
                    "floats: portable; no integer products (the processor has no AVX2 or no FMA)"
                } else {
                    "floats: portable; no integer products (there are kernels for 64-bit ARM and x86-64 alone)"
                }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Int16 => "integer products: AVX2, activations of 16 bits; floats: AVX2 and FMA",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Int8 => {
                "integer products: AVX2, activations of 8 bits, of 16 where weights are too large for that \
                 (no AVX-512 VNNI); floats: AVX2 and FMA"
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => "integer products: AVX-512 VNNI, activations of 8 bits; floats: AVX-512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "integer products: Neon, activations of 8 bits (no dotprod); floats: Neon",
            #[cfg(target_arch = "aarch64")]
            Level::Dotprod => "integer products: dotprod, activations of 8 bits; floats: Neon",
        }
    }

    /// Whether integer products are faster than those of floats.
    pub(crate) fn has_fast_int8(self) -> bool {
        self.0 != Level::Portable
    }

    /// Whether the same holds in layers of few channels, where quantizing the activations costs as much as
    /// multiplying them. CenterFace took 1.03 times the instructions of floats on an emulated Cortex-A72, and
    /// 0.64 times on an A76.
    pub(crate) fn has_fast_int8_for_few_channels(self) -> bool {
        #[cfg(target_arch = "aarch64")]
        if self.0 == Level::Neon {
            return false;
        }
        self.has_fast_int8()
    }

    /// Whether the same holds in convolutions of several pixels, whose patches are quantized one by one. On
    /// x86-64, the two convolutions of maxvit-ferplus-64 took 1.6 times as long as in floats.
    pub(crate) fn has_fast_int8_convolutions(self) -> bool {
        cfg!(target_arch = "aarch64") && self.has_fast_int8()
    }

    /// The level with two-byte activations, if there is one. Its products match those of floats to a
    /// thousandth.
    pub(crate) fn int16(self) -> Option<Self> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Int16 | Level::Avx2Int8 => Some(Self(Level::Avx2Int16)),
            _ => None,
        }
    }

    /// The level for weights. `saturates` determines whether sums of two of their products may need more than
    /// 16 bits.
    pub(super) fn for_weights(self, saturates: impl FnOnce() -> bool) -> Self {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Level::Avx2Int8 && saturates() {
            return Self(Level::Avx2Int16);
        }
        let _ = saturates;
        self
    }

    /// Bytes of a quantized activation.
    pub(crate) fn activation_bytes(self) -> usize {
        struct Bytes;
        impl SimdOp for Bytes {
            type Output = usize;
            #[inline(always)]
            fn eval<I: Isa>(self, _: I) -> usize {
                I::ACTIVATION_BYTES
            }
        }
        self.dispatch(Bytes)
    }

    /// Runs the copy of `op` that is compiled for this level.
    #[inline]
    pub(crate) fn dispatch<O: SimdOp>(self, op: O) -> O::Output {
        match self.0 {
            Level::Portable => op.eval(Portable),
            // SAFETY: this variant is made only after `all_supported` has detected AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Int16 => unsafe { eval_avx2::<O, 2>(op) },
            // SAFETY: as for `Avx2Int16`: the two are made together.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2Int8 => unsafe { eval_avx2::<O, 1>(op) },
            // SAFETY: this variant is made only after `all_supported` has detected each of the features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => unsafe { eval_avx512_vnni(op) },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => op.eval(Neon),
            // SAFETY: this variant is made only after `all_supported` has detected dotprod.
            #[cfg(target_arch = "aarch64")]
            Level::Dotprod => unsafe { eval_dotprod(op) },
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn eval_avx2<O: SimdOp, const BYTES: usize>(op: O) -> O::Output {
    // SAFETY: guaranteed by the caller.
    op.eval(unsafe { Avx2::<BYTES>::new_unchecked() })
}

/// # Safety
/// The processor has AVX2, FMA, the F, BW, VL and DQ parts of AVX-512, and its VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn eval_avx512_vnni<O: SimdOp>(op: O) -> O::Output {
    // SAFETY: guaranteed by the caller.
    op.eval(unsafe { Avx512Vnni::new_unchecked() })
}

/// # Safety
/// The processor has dotprod.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "dotprod")]
unsafe fn eval_dotprod<O: SimdOp>(op: O) -> O::Output {
    // SAFETY: guaranteed by the caller.
    op.eval(unsafe { Dotprod::new_unchecked() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detected_level_is_the_last_supported_one() {
        let levels = SimdLevel::all_supported();
        assert_eq!(levels.first(), Some(&SimdLevel::portable()));
        assert_eq!(levels.last(), Some(&SimdLevel::detect()));
    }
}
