//! Which cameras there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    choose::{self, Choice, Mode, Unusable, Wish},
    device::Device,
};
use crate::capture::source::{CaptureError, CaptureKind};

pub use super::device::Identity;

/// What a look at one node found.
#[derive(Debug)]
pub struct Found {
    /// The node, e.g. `/dev/video0`.
    pub node: PathBuf,
    /// Its path that stays the same when cameras are plugged in another order, if it has one.
    pub by_id: Option<PathBuf>,
    /// What the node is, or why it does not say.
    pub identity: Result<Identity, CaptureError>,
    /// What it offers; empty for nodes that do not capture pictures.
    pub modes: Vec<Mode>,
}

impl Found {
    /// The path to configure.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.by_id.as_deref().unwrap_or(&self.node)
    }

    /// What would be used for `wish`, and why, or why nothing.
    ///
    /// # Errors
    /// [`CaptureError`] with the way out.
    pub fn choose(&self, wish: &Wish) -> Result<Choice, CaptureError> {
        let identity = self
            .identity
            .as_ref()
            .map_err(|error| CaptureError::new(error.kind, error.reason.clone()))?;
        choose_for(self.path(), identity, &self.modes, wish)
    }
}

/// Looks at every `/dev/video*`, in the order of their numbers.
#[must_use]
pub fn find(wish: &Wish) -> Vec<Found> {
    nodes().into_iter().map(|node| look(node, wish)).collect()
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

fn look(node: PathBuf, wish: &Wish) -> Found {
    let by_id = by_id(&node, Path::new("/dev/v4l/by-id"));
    let (identity, modes) = match Device::open(&node) {
        Err(error) => (Err(error), Vec::new()),
        Ok(device) => {
            let identity = device.identity();
            let modes = match &identity {
                Ok(identity) if identity.captures() => device.modes(wish),
                _ => Vec::new(),
            };
            (identity, modes)
        }
    };
    Found {
        node,
        by_id,
        identity,
        modes,
    }
}

/// The link in `folder` that leads to `node`.
fn by_id(node: &Path, folder: &Path) -> Option<PathBuf> {
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

/// The cameras that can be used for `wish`, in their order, or the reason of the one that came closest.
pub(super) fn usable(found: Vec<Found>, wish: &Wish) -> Result<Vec<Found>, CaptureError> {
    let mut usable = Vec::new();
    let mut closest: Option<CaptureError> = None;
    for camera in found {
        if camera
            .identity
            .as_ref()
            .is_ok_and(|identity| !identity.captures() && !identity.captures_planes())
        {
            continue;
        }
        match camera.choose(wish) {
            Ok(_) => usable.push(camera),
            // The first of a kind tells most; a camera that is busy or denied says more than one that is unusable.
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

/// Applies the rule of [`choose::choose`] and puts its refusals into words.
pub(super) fn choose_for(
    path: &Path,
    identity: &Identity,
    modes: &[Mode],
    wish: &Wish,
) -> Result<Choice, CaptureError> {
    let path = path.display();
    let unsupported = |reason: String| CaptureError::new(CaptureKind::Unsupported, reason);
    if !identity.captures() {
        return Err(unsupported(if identity.captures_planes() {
            format!(
                "{path} ({}) captures through the multi-planar interface, as raw camera bridges do. {WAY_OUT}",
                identity.card
            )
        } else {
            format!(
                "{path} ({}, driver {}) is a V4L2 node, but no camera: `affectd probe` lists the cameras",
                identity.card, identity.driver
            )
        }));
    }
    choose::choose(modes, wish).map_err(|unusable| {
        let card = &identity.card;
        unsupported(match unusable {
            Unusable::Nothing => format!("{path} ({card}) offers no format at all"),
            Unusable::BayerOnly => format!(
                "{path} ({card}) gives raw Bayer data ({}), which has to be developed into pictures first. {WAY_OUT}",
                codes(modes)
            ),
            // What counts goes first: cameras offer a lot, and what is published is cut.
            Unusable::Undecodable => format!(
                "{path} ({card}) offers none of YUYV, NV12, YU12, RGB3, BGR3, MJPG and GREY, which can be decoded, but {}",
                codes(modes)
            ),
            Unusable::NotOffered => format!(
                "{path} ({card}) does not offer {}, which camera.format names; `auto` takes the best of {}",
                wish.format.map_or_else(String::new, |format| format.to_string()),
                codes(modes)
            ),
        })
    })
}

/// How to get pictures from a camera whose node gives none.
const WAY_OUT: &str = "Raspberry Pi: run `libcamerify affectd run`, or set camera.source = \"pipe\" and \
    camera.command = [\"rpicam-vid\", \"-t\", \"0\", \"-n\", \"--codec\", \"mjpeg\", \"--width\", \"640\", \
    \"--height\", \"480\", \"-o\", \"-\"]. Jetson: write the camera's pictures into a v4l2loopback node with \
    nvarguscamerasrc (Argus), or read them through camera.source = \"pipe\"";

/// The codes that are offered, each once.
fn codes(modes: &[Mode]) -> String {
    let mut codes: Vec<String> = Vec::new();
    for mode in modes {
        let code = String::from_utf8_lossy(&mode.fourcc).trim().to_string();
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
    use crate::capture::v4l2::samples::{CAMERA, METADATA, PLANES, WISH, node};
    use std::os::unix::fs::symlink;

    fn camera(number: u32, codes: &[&[u8; 4]]) -> Found {
        let modes: Vec<(&[u8; 4], &[f32])> = codes.iter().map(|code| (*code, &[30.0][..])).collect();
        node(number, CAMERA, &modes)
    }

    fn failed(number: u32, kind: CaptureKind) -> Found {
        Found {
            identity: Err(CaptureError::new(kind, format!("/dev/video{number} failed"))),
            ..node(number, 0, &[])
        }
    }

    #[test]
    fn auto_tries_those_that_can_be_used_in_their_order() {
        let found = vec![
            node(0, METADATA, &[]),
            camera(1, &[b"RG10"]),
            failed(2, CaptureKind::Busy),
            camera(3, &[b"YUYV"]),
            camera(4, &[b"YUYV"]),
        ];
        let usable: Vec<PathBuf> = usable(found, &WISH)
            .unwrap()
            .into_iter()
            .map(|camera| camera.node)
            .collect();
        assert_eq!(usable, [Path::new("/dev/video3"), Path::new("/dev/video4")]);
    }

    #[test]
    fn auto_explains_the_one_that_came_closest() {
        let bayer = || camera(0, &[b"pRAA", b"RG10"]);
        let error = usable(vec![bayer()], &WISH).unwrap_err();
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
            usable(vec![bayer(), busy], &WISH).unwrap_err().kind,
            CaptureKind::Busy
        );
        let metadata = node(1, METADATA, &[]);
        let error = usable(vec![metadata], &WISH).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Missing);
        let planes = node(2, PLANES, &[]);
        let error = usable(vec![planes], &WISH).unwrap_err();
        assert!(error.reason.contains("multi-planar"), "{}", error.reason);
    }

    #[test]
    fn a_named_layout_that_is_not_offered_is_named() {
        let wish = Wish {
            format: crate::capture::PixelFormat::from_name("nv12"),
            ..WISH
        };
        let error = camera(0, &[b"YUYV", b"MJPG"]).choose(&wish).unwrap_err();
        assert!(
            error.reason.contains("does not offer NV12") && error.reason.ends_with("of YUYV, MJPG"),
            "{}",
            error.reason
        );
        let error = camera(0, &[b"H264"]).choose(&WISH).unwrap_err();
        assert!(error.reason.ends_with("but H264"), "{}", error.reason);
    }

    #[test]
    fn the_lasting_path_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("video7");
        fs::write(&node, "").unwrap();
        let ids = folder.path().join("by-id");
        fs::create_dir(&ids).unwrap();
        symlink("../video8", ids.join("usb-Other-video-index0")).unwrap();
        symlink("../video7", ids.join("usb-Camera-video-index0")).unwrap();
        assert_eq!(by_id(&node, &ids), Some(ids.join("usb-Camera-video-index0")));
        assert_eq!(by_id(&folder.path().join("video9"), &ids), None);
        assert_eq!(by_id(&node, &folder.path().join("nothing")), None);
    }
}
