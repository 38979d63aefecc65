//! `affectd probe`: lists the cameras, their modes, and the choice that `run` would make.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::Global;
use crate::{
    capture::{
        CaptureError,
        v4l2::{
            self, captures, captures_multiplanar,
            enumerate::{CameraNode, enumerate},
            select::{Request, Selection, code},
        },
    },
    config::Settings,
    error::{Exit, Failure},
};

/// Lists the cameras, their modes, and which would be chosen and why
#[derive(Debug, Args)]
pub struct Arguments {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        probe(&global.settings()?, self.json, out).map_err(|error| Failure::new(Exit::Camera, error))
    }
}

/// Examines every camera and writes the findings as text or as one JSON object.
///
/// # Errors
/// If `out` cannot be written.
fn probe(settings: &Settings, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let request = v4l2::request(&settings.camera);
    report(&enumerate(&request), &request, &settings.camera.device, json, out)
}

/// Writes the findings.
fn report(
    found: &[CameraNode],
    request: &Request,
    device: &str,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let cameras: Vec<ProbedNode> = found
        .iter()
        .map(|found| ProbedNode::new(found, request))
        .collect();
    let first = cameras
        .iter()
        .position(|camera| matches!(camera.usability, Usability::Usable(_)));
    if json {
        let object = json!({
            "requested": { "format": request.format.map(|format| format.to_string()), "width": request.width,
                "height": request.height, "rate": rounded(request.rate), "device": device },
            "auto": first.map(|first| cameras[first].found.configured_path()),
            "nodes": cameras.iter().map(ProbedNode::json).collect::<Vec<_>>(),
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let format = request
        .format
        .map_or("any format".to_string(), |format| format.to_string());
    writeln!(
        out,
        "Requested (camera.*): {}x{} at {} fps, {format}, device {device}\n",
        request.width, request.height, request.rate
    )?;
    for camera in cameras
        .iter()
        .filter(|camera| !matches!(camera.usability, Usability::Skipped(_)))
    {
        camera.text(out)?;
    }
    for camera in &cameras {
        if let Usability::Skipped(why) = &camera.usability {
            writeln!(out, "{}: skipped, {why}", camera.found.path.display())?;
        }
    }
    match first {
        Some(first) => {
            let path = cameras[first].found.configured_path().display();
            writeln!(out, "With camera.device = \"auto\" {path} is used.")?;
        }
        None if cameras.is_empty() => writeln!(
            out,
            "No camera: there is no /dev/video*. Connect one (`dmesg` shows whether the kernel detected it), or \
             set camera.source to pipe (a program such as rpicam-vid) or files."
        )?,
        None => writeln!(out, "No camera can be used.")?,
    }
    Ok(())
}

/// A device node and whether it can be used.
struct ProbedNode<'a> {
    found: &'a CameraNode,
    usability: Usability,
}

enum Usability {
    Usable(Selection),
    Unusable(CaptureError),
    /// Not a camera: metadata, a codec, ...
    Skipped(String),
}

impl<'a> ProbedNode<'a> {
    fn new(found: &'a CameraNode, request: &Request) -> Self {
        let skipped = found
            .capability
            .as_ref()
            .ok()
            .filter(|node| !captures(node) && !captures_multiplanar(node));
        let usability = match (skipped, found.select(request)) {
            (Some(capability), _) => Usability::Skipped(format!(
                "{} (driver {}) delivers no pictures: metadata, a converter or an output",
                capability.card, capability.driver
            )),
            (None, Ok(choice)) => Usability::Usable(choice),
            (None, Err(error)) => Usability::Unusable(error),
        };
        Self { found, usability }
    }

    fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let CameraNode {
            path: node,
            stable_path: by_id,
            capability,
            modes,
        } = self.found;
        match capability {
            Ok(capability) => writeln!(
                out,
                "{}: {} (driver {}, {})",
                node.display(),
                capability.card,
                capability.driver,
                capability.bus
            )?,
            Err(_) => writeln!(out, "{}:", node.display())?,
        }
        if let Some(by_id) = by_id {
            writeln!(out, "  stable path: {}", by_id.display())?;
        }
        for (index, mode) in modes.iter().enumerate() {
            let code = code(mode.fourcc);
            let repeated = index > 0 && modes[index - 1].fourcc == mode.fourcc;
            let label = if repeated { "" } else { code.as_str() };
            let rates = if mode.rates.is_empty() {
                "rate unknown".to_string()
            } else {
                let rates: Vec<String> = mode.rates.iter().map(|rate| rounded(*rate).to_string()).collect();
                format!("{} fps", rates.join(", "))
            };
            writeln!(out, "  {label:<4}  {:>4}x{:<4}  {rates}", mode.width, mode.height)?;
        }
        match &self.usability {
            Usability::Usable(choice) => {
                let rate = choice
                    .rate
                    .map_or(String::new(), |rate| format!(" at {} fps", rounded(rate)));
                writeln!(
                    out,
                    "  chosen: {} {}x{}{rate}: {}",
                    choice.format, choice.width, choice.height, choice.reason
                )?;
            }
            Usability::Unusable(error) => writeln!(out, "  cannot be used: {}", error.message())?,
            Usability::Skipped(_) => {}
        }
        writeln!(out)?;
        Ok(())
    }

    fn json(&self) -> Value {
        let CameraNode {
            path: node,
            stable_path: by_id,
            capability,
            modes,
        } = self.found;
        let capability = capability.as_ref().ok();
        let modes: Vec<Value> = modes
            .iter()
            .map(|mode| {
                let rates: Vec<f64> = mode.rates.iter().map(|rate| rounded(*rate)).collect();
                json!({ "format": code(mode.fourcc), "width": mode.width, "height": mode.height, "rates": rates })
            })
            .collect();
        let mut object = json!({
            "node": node,
            "by_id": by_id,
            "name": capability.map(|capability| &capability.card),
            "driver": capability.map(|capability| &capability.driver),
            "bus": capability.map(|capability| &capability.bus),
            "modes": modes,
            "chosen": null,
            "reason": null,
        });
        match &self.usability {
            Usability::Usable(choice) => {
                object["chosen"] = json!({ "format": choice.format.to_string(), "width": choice.width,
                    "height": choice.height, "rate": choice.rate.map(rounded) });
                object["reason"] = json!(choice.reason);
            }
            Usability::Unusable(error) => object["reason"] = json!(error.message()),
            Usability::Skipped(why) => object["reason"] = json!(why),
        }
        object
    }
}

/// Rounded to hundredths: 29.97, not 29.970029830932617.
fn rounded(rate: f32) -> f64 {
    (f64::from(rate) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::capture::{
        CaptureKind,
        v4l2::testing::{CAMERA, METADATA, REQUEST, node},
    };

    /// A raw sensor node, a metadata node, a webcam, and a node that may not be opened.
    fn board() -> Vec<CameraNode> {
        let denied = CaptureError::new(CaptureKind::Denied, "/dev/video3 cannot be opened: group `video`");
        vec![
            node(0, CAMERA, &[(b"pRAA", &[])]),
            node(1, METADATA, &[]),
            CameraNode {
                stable_path: Some("/dev/v4l/by-id/usb-Webcam-video-index0".into()),
                ..node(2, CAMERA, &[(b"YUYV", &[30.0, 15.0]), (b"MJPG", &[29.970_03])])
            },
            CameraNode {
                capability: Err(denied),
                ..node(3, 0, &[])
            },
        ]
    }

    fn text(found: &[CameraNode]) -> String {
        let mut out = Vec::new();
        report(found, &REQUEST, "auto", false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cameras_modes_and_the_choice_are_listed() {
        let text = text(&board());
        for line in [
            "/dev/video2: HD Webcam (driver uvcvideo, usb-1.2)",
            "stable path: /dev/v4l/by-id/usb-Webcam-video-index0",
            "  YUYV   640x480   30, 15 fps",
            "  MJPG   640x480   29.97 fps",
            "chosen: YUYV 640x480 at 30 fps: the requested size; reaches 30 fps; the cheapest",
            "delivers raw Bayer data (pRAA)",
            "libcamerify affectd run",
            "/dev/video1: skipped, HD Webcam",
            "cannot be used: /dev/video3 cannot be opened: group `video`",
            "With camera.device = \"auto\" /dev/v4l/by-id/usb-Webcam-video-index0 is used.",
        ] {
            assert!(text.contains(line), "{line:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_missing_camera_is_stated() {
        assert!(text(&[]).contains("No camera: there is no /dev/video*"));
        assert!(text(&board()[..2]).contains("No camera can be used."));
    }

    #[test]
    fn one_json_object() {
        let mut out = Vec::new();
        report(&board(), &REQUEST, "auto", true, &mut out).unwrap();
        let object: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["auto"], "/dev/v4l/by-id/usb-Webcam-video-index0");
        assert_eq!(object["nodes"][2]["chosen"]["format"], "YUYV");
        assert_eq!(object["nodes"][2]["modes"][1]["rates"][0], 29.97);
        assert_eq!(object["nodes"][0]["chosen"], Value::Null);
        assert_eq!(object["nodes"].as_array().unwrap().len(), 4);
    }
}
