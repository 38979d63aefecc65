//! The format of a camera's frames.

use serde::Deserialize;

/// What a V4L2 camera is asked for, or what a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum CameraFormat {
    /// V4L2: the format that suits the camera best. Pipe: MJPEG or Y4M, whichever the stream begins like.
    #[serde(rename = "auto")]
    Auto,
    /// Pipe: a Y4M stream, which states size and pixel format.
    #[serde(rename = "y4m")]
    Y4m,
    /// JPEG pictures.
    #[serde(rename = "MJPG", alias = "mjpeg")]
    Mjpeg,
    /// Packed 4:2:2, `Y0 U Y1 V`.
    #[serde(rename = "YUYV")]
    Yuyv,
    /// 4:2:0, a Y plane and a plane of interleaved `U V`.
    #[serde(rename = "NV12")]
    Nv12,
    /// 4:2:0, planes Y, U, V.
    #[serde(rename = "YU12")]
    Yu12,
    /// 8 bits of luma.
    #[serde(rename = "GREY")]
    Grey,
    /// Packed `R G B`.
    #[serde(rename = "RGB3")]
    Rgb3,
    /// Packed `B G R`.
    #[serde(rename = "BGR3")]
    Bgr3,
}

impl CameraFormat {
    /// The allowed values of the setting.
    pub(super) const WORDS: &[&str] = &[
        "auto", "mjpeg", "y4m", "MJPG", "YUYV", "NV12", "YU12", "GREY", "RGB3", "BGR3",
    ];
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer as _, value::Error};

    use super::*;

    #[test]
    fn every_allowed_word_is_a_format() {
        for word in CameraFormat::WORDS {
            let format: Result<CameraFormat, Error> = CameraFormat::deserialize((*word).into_deserializer());
            assert!(format.is_ok(), "{word}");
        }
    }
}
