//! How YUV samples encode colours: the matrix and the range.

/// The matrix between YUV and RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: standard definition, and JPEG.
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
    /// ITU-R BT.2020: ultra-high definition.
    Bt2020,
}

/// The range of the sample values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Y from 16 to 235, U and V from 16 to 240.
    Limited,
    /// 0 to 255.
    Full,
}

/// The colour encoding of a frame in YUV or grey. Other pixel formats ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColorEncoding {
    /// `None` if the source does not state it; BT.601 is then assumed.
    pub matrix: Option<Matrix>,
    /// `None` if the source does not state it; limited for YUV and full for grey are then assumed.
    pub range: Option<Range>,
}

impl ColorEncoding {
    /// From V4L2's `colorspace`, `ycbcr_enc` and `quantization`, with the defaults of videodev2.h
    /// (`V4L2_MAP_YCBCR_ENC_DEFAULT`, `V4L2_MAP_QUANTIZATION_DEFAULT`). Unknown values count as the default.
    #[must_use]
    pub fn from_v4l2(colorspace: u32, ycbcr_encoding: u32, quantization: u32) -> Self {
        let matrix = match (ycbcr_encoding, colorspace) {
            // 601, XV601, SYCC
            (1 | 3 | 5, _) => Matrix::Bt601,
            // 709, XV709, and SMPTE 240M, whose weights are nearly the same
            (2 | 4 | 8, _) => Matrix::Bt709,
            // BT2020, with and without constant luminance
            (6 | 7, _) => Matrix::Bt2020,
            // SMPTE240M, REC709, DCI_P3
            (_, 2 | 3 | 12) => Matrix::Bt709,
            // BT2020
            (_, 10) => Matrix::Bt2020,
            _ => Matrix::Bt601,
        };
        let range = match (quantization, colorspace) {
            // FULL_RANGE
            (1, _) => Some(Range::Full),
            // LIM_RANGE
            (2, _) => Some(Range::Limited),
            // JPEG
            (_, 7) => Some(Range::Full),
            _ => None,
        };
        Self {
            matrix: Some(matrix),
            range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v4l2_fields_have_the_defaults_of_the_kernel() {
        for ((colorspace, encoding, quantization), matrix, range) in [
            // Nothing stated; a webcam (sRGB); standard definition.
            ((0, 0, 0), Matrix::Bt601, None),
            ((8, 0, 0), Matrix::Bt601, None),
            ((1, 0, 0), Matrix::Bt601, None),
            // The JPEG colour space implies full range; a stated range overrides it.
            ((7, 0, 0), Matrix::Bt601, Some(Range::Full)),
            ((7, 0, 2), Matrix::Bt601, Some(Range::Limited)),
            ((8, 1, 1), Matrix::Bt601, Some(Range::Full)),
            // High and ultra-high definition; a stated matrix overrides the colour space.
            ((3, 0, 0), Matrix::Bt709, None),
            ((3, 1, 0), Matrix::Bt601, None),
            ((8, 2, 2), Matrix::Bt709, Some(Range::Limited)),
            ((10, 0, 0), Matrix::Bt2020, None),
            ((0, 6, 1), Matrix::Bt2020, Some(Range::Full)),
            ((9999, 9999, 9999), Matrix::Bt601, None),
        ] {
            assert_eq!(
                ColorEncoding::from_v4l2(colorspace, encoding, quantization),
                ColorEncoding {
                    matrix: Some(matrix),
                    range
                },
                "{colorspace} {encoding} {quantization}"
            );
        }
    }
}
