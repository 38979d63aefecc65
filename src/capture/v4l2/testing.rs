//! Typical device nodes, for tests.

use super::{
    Capability,
    enumerate::CameraNode,
    select::{Mode, Request},
};

pub(crate) const REQUEST: Request = Request {
    format: None,
    width: 640,
    height: 480,
    rate: 30.0,
};

/// `V4L2_CAP_VIDEO_CAPTURE` and `V4L2_CAP_STREAMING`.
pub(crate) const CAMERA: u32 = 0x0400_0001;

/// `V4L2_CAP_VIDEO_CAPTURE_MPLANE` and `V4L2_CAP_STREAMING`.
pub(crate) const PLANES: u32 = 0x0400_1000;

/// `V4L2_CAP_META_CAPTURE` and `V4L2_CAP_STREAMING`.
pub(crate) const METADATA: u32 = 0x0480_0000;

pub(crate) fn mode(fourcc: &[u8; 4], width: u32, height: u32, rates: &[f32]) -> Mode {
    Mode {
        fourcc: *fourcc,
        width,
        height,
        rates: rates.to_vec(),
    }
}

/// `/dev/video<number>` with modes of the requested size.
pub(crate) fn node(number: u32, capabilities: u32, modes: &[(&[u8; 4], &[f32])]) -> CameraNode {
    CameraNode {
        path: format!("/dev/video{number}").into(),
        stable_path: None,
        capability: Ok(Capability {
            driver: "uvcvideo".into(),
            card: "HD Webcam".into(),
            bus: "usb-1.2".into(),
            capabilities,
        }),
        modes: modes
            .iter()
            .map(|(fourcc, rates)| mode(fourcc, REQUEST.width, REQUEST.height, rates))
            .collect(),
    }
}
