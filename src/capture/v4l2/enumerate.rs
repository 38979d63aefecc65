//! The cameras of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Capability,
    device::{Device, captures, captures_multiplanar},
    select::{self, Mode, NoMode, Request, Selection},
};
use crate::{
    capture::source::{CaptureError, CaptureKind},
    text,
};

/// One `/dev/video*` node and what it offers.
#[derive(Debug)]
pub struct CameraNode {
    /// E.g. `/dev/video0`.
    pub path: PathBuf,
    /// Its path in `/dev/v4l/by-id`, if it has one; it does not depend on the order of plugging in.
    pub stable_path: Option<PathBuf>,
    /// What the node is, or why that is not known.
    pub capability: Result<Capability, CaptureError>,
    /// What it offers; empty for nodes that do not capture pictures.
    pub modes: Vec<Mode>,
}

impl CameraNode {
    /// The path to configure: the stable one, if there is one.
    #[must_use]
    pub fn configured_path(&self) -> &Path {
        self.stable_path.as_deref().unwrap_or(&self.path)
    }

    /// The mode that would be used for `request`.
    ///
    /// # Errors
    /// [`CaptureError`] with the remedy, if there is none.
    pub fn select(&self, request: &Request) -> Result<Selection, CaptureError> {
        let capability = self.capability.as_ref().map_err(CaptureError::clone)?;
        select_for(self.configured_path(), capability, &self.modes, request)
    }
}

/// Queries every `/dev/video*`, in numerical order.
#[must_use]
pub fn enumerate(request: &Request) -> Vec<CameraNode> {
    nodes().into_iter().map(|path| query(path, request)).collect()
}

/// The numbered nodes in /dev.
fn nodes() -> Vec<PathBuf> {
    let mut numbered: Vec<(u32, PathBuf)> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("video")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    numbered.sort();
    numbered.into_iter().map(|(_, path)| path).collect()
}

fn query(path: PathBuf, request: &Request) -> CameraNode {
    let stable_path = stable_path(&path, Path::new("/dev/v4l/by-id"));
    let (capability, modes) = match Device::open(&path) {
        Err(error) => (Err(error), Vec::new()),
        Ok(device) => {
            let capability = device.capability();
            let modes = match &capability {
                Ok(capability) if captures(capability) => device.modes(request),
                _ => Vec::new(),
            };
            (capability, modes)
        }
    };
    CameraNode {
        path,
        stable_path,
        capability,
        modes,
    }
}

/// The link in `folder` that leads to `node`.
fn stable_path(node: &Path, folder: &Path) -> Option<PathBuf> {
    let node = fs::canonicalize(node).ok()?;
    let mut links: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|link| fs::canonicalize(link).is_ok_and(|target| target == node))
        .collect();
    links.sort();
    links.into_iter().next()
}

/// The cameras that can be used for `request`, in the same order, or the error of the one that came closest.
pub(super) fn usable(nodes: Vec<CameraNode>, request: &Request) -> Result<Vec<CameraNode>, CaptureError> {
    let mut usable = Vec::new();
    let mut closest: Option<CaptureError> = None;
    for camera in nodes {
        if camera
            .capability
            .as_ref()
            .is_ok_and(|capability| !captures(capability) && !captures_multiplanar(capability))
        {
            continue;
        }
        match camera.select(request) {
            Ok(_) => usable.push(camera),
            // The first of a kind counts; a camera that is busy or denied is closer than one that is
            // unsupported.
            Err(error) => {
                let better = closest
                    .as_ref()
                    .is_none_or(|known| rank(error.kind) > rank(known.kind));
                if better {
                    closest = Some(error);
                }
            }
        }
    }
    if !usable.is_empty() {
        return Ok(usable);
    }
    Err(closest.unwrap_or_else(|| {
        CaptureError::new(
            CaptureKind::Missing,
            "there is no camera: no /dev/video* captures pictures. Plug one in, or set camera.source to pipe or files",
        )
    }))
}

fn rank(kind: CaptureKind) -> u8 {
    match kind {
        CaptureKind::Busy | CaptureKind::Denied => 2,
        CaptureKind::Unsupported => 1,
        _ => 0,
    }
}

/// Applies the rule of [`select::select`] and turns its refusals into messages.
pub(super) fn select_for(
    path: &Path,
    capability: &Capability,
    modes: &[Mode],
    request: &Request,
) -> Result<Selection, CaptureError> {
    let path = text::path(path);
    let unsupported = |reason: String| CaptureError::new(CaptureKind::Unsupported, reason);
    if !captures(capability) {
        return Err(unsupported(if captures_multiplanar(capability) {
            format!(
                "{path} ({}) captures through the multi-planar interface, as raw camera bridges do. {REMEDY}",
                capability.card
            )
        } else {
            format!(
                "{path} ({}, driver {}) is a V4L2 node, but not a camera: `affectd probe` lists the cameras",
                capability.card, capability.driver
            )
        }));
    }
    select::select(modes, request).map_err(|unusable| {
        let card = &capability.card;
        unsupported(match unusable {
            NoMode::Nothing => format!("{path} ({card}) offers no format at all"),
            NoMode::BayerOnly => format!(
                "{path} ({card}) delivers raw Bayer data ({}), which must be processed into pictures first. {REMEDY}",
                codes(modes)
            ),
            // The important part comes first: cameras offer many formats, and published reasons are
            // truncated.
            NoMode::Undecodable => format!(
                "{path} ({card}) offers none of the formats that can be decoded (YUYV, NV12, YU12, RGB3, BGR3, MJPG, GREY), only {}",
                codes(modes)
            ),
            NoMode::NotOffered => format!(
                "{path} ({card}) does not offer {}, which camera.format names; `auto` selects the best of {}",
                request.format.map_or_else(String::new, |format| format.to_string()),
                codes(modes)
            ),
        })
    })
}

/// How to get pictures from a camera whose node delivers none.
const REMEDY: &str = "Raspberry Pi: run `libcamerify affectd run`, or set camera.source = \"pipe\" and \
    camera.command = [\"rpicam-vid\", \"-t\", \"0\", \"-n\", \"--codec\", \"mjpeg\", \"--width\", \"640\", \
    \"--height\", \"480\", \"-o\", \"-\"]. Jetson: write the camera's pictures into a v4l2loopback node with \
    nvarguscamerasrc (Argus), or read them through camera.source = \"pipe\"";

/// The codes that are offered, without duplicates.
fn codes(modes: &[Mode]) -> String {
    let mut codes: Vec<String> = Vec::new();
    for mode in modes {
        let code = select::code(mode.fourcc);
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::capture::v4l2::testing::{CAMERA, METADATA, PLANES, REQUEST, node};
    use std::os::unix::fs::symlink;

    fn camera(number: u32, codes: &[&[u8; 4]]) -> CameraNode {
        let modes: Vec<(&[u8; 4], &[f32])> = codes.iter().map(|code| (*code, &[30.0][..])).collect();
        node(number, CAMERA, &modes)
    }

    fn failed(number: u32, kind: CaptureKind) -> CameraNode {
        CameraNode {
            capability: Err(CaptureError::new(kind, format!("/dev/video{number} failed"))),
            ..node(number, 0, &[])
        }
    }

    #[test]
    fn auto_tries_usable_cameras_in_order() {
        let found = vec![
            node(0, METADATA, &[]),
            camera(1, &[b"RG10"]),
            failed(2, CaptureKind::Busy),
            camera(3, &[b"YUYV"]),
            camera(4, &[b"YUYV"]),
        ];
        let usable: Vec<PathBuf> = usable(found, &REQUEST)
            .unwrap()
            .into_iter()
            .map(|camera| camera.path)
            .collect();
        assert_eq!(usable, [Path::new("/dev/video3"), Path::new("/dev/video4")]);
    }

    #[test]
    fn auto_reports_the_camera_that_came_closest() {
        let bayer = || camera(0, &[b"pRAA", b"RG10"]);
        let error = usable(vec![bayer()], &REQUEST).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Unsupported);
        for word in [
            "/dev/video0",
            "Bayer",
            "pRAA, RG10",
            "libcamerify affectd run",
            "rpicam-vid",
            "Argus",
        ] {
            assert!(error.reason.contains(word), "{word}: {}", error.reason);
        }
        let busy = failed(1, CaptureKind::Busy);
        assert_eq!(
            usable(vec![bayer(), busy], &REQUEST).unwrap_err().kind,
            CaptureKind::Busy
        );
        let metadata = node(1, METADATA, &[]);
        let error = usable(vec![metadata], &REQUEST).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Missing);
        let planes = node(2, PLANES, &[]);
        let error = usable(vec![planes], &REQUEST).unwrap_err();
        assert!(error.reason.contains("multi-planar"), "{}", error.reason);
    }

    #[test]
    fn a_format_that_is_not_offered_is_named() {
        let request = Request {
            format: Some(crate::capture::PixelFormat::Nv12),
            ..REQUEST
        };
        let error = camera(0, &[b"YUYV", b"MJPG"]).select(&request).unwrap_err();
        assert!(
            error.reason.contains("does not offer NV12") && error.reason.ends_with("of YUYV, MJPG"),
            "{}",
            error.reason
        );
        let error = camera(0, &[b"H264"]).select(&REQUEST).unwrap_err();
        assert!(error.reason.ends_with("only H264"), "{}", error.reason);
    }

    #[test]
    fn format_codes_are_escaped_in_messages() {
        let error = camera(0, &[b"\x1b[2J", b"A\nB\xff"])
            .select(&REQUEST)
            .unwrap_err();
        assert!(
            error.reason.ends_with("only \\u{1b}[2J, A\\nB\u{fffd}"),
            "{}",
            error.reason
        );
    }

    #[test]
    fn the_stable_path_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("video7");
        fs::write(&node, "").unwrap();
        let ids = folder.path().join("by-id");
        fs::create_dir(&ids).unwrap();
        symlink("../video8", ids.join("usb-Other-video-index0")).unwrap();
        symlink("../video7", ids.join("usb-Camera-video-index0")).unwrap();
        assert_eq!(
            stable_path(&node, &ids),
            Some(ids.join("usb-Camera-video-index0"))
        );
        assert_eq!(stable_path(&folder.path().join("video9"), &ids), None);
        assert_eq!(stable_path(&node, &folder.path().join("nothing")), None);
    }
}
