//! Generated recordings: portraits that come into a room, sway and leave, as a camera would deliver them.

use std::{f32::consts::TAU, path::Path};

use affectd::{
    capture::{Frame, PixelFormat, read_picture},
    config::{Settings, Sources, load},
    model::Registry,
    picture::Picture,
    sense::{detection::Detection, engine::NetworkDetector, search},
};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use std::time::Duration;

pub const WIDTH: usize = 640;
pub const HEIGHT: usize = 480;
/// Frames per second.
pub const RATE: u32 = 15;

/// The default settings, regardless of this machine's environment.
pub fn settings() -> Settings {
    let sources = Sources {
        file: Some("/dev/null".into()),
        environment: Vec::new(),
        options: Vec::new(),
    };
    load(&sources).unwrap().settings
}

/// The shipped models.
pub fn registry() -> Registry {
    Registry::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap()
}

/// The background behind the people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Background {
    Still,
    /// Something repeatedly passes through the picture.
    Moving,
    /// Mains light under a rolling shutter, and a step of the exposure.
    Flickering,
}

/// The light and the camera's noise.
#[derive(Debug, Clone, Copy)]
pub enum Light {
    Even,
    /// 45 % of the brightness, much noise.
    Dim,
    /// From one side.
    Side,
}

/// The head and shoulders of a portrait at one size: red, green, blue, and opacity from 0 to 1.
struct CutOut {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
    /// The face, in pixels of the cut-out.
    face: Detection,
}

/// One person's appearance in a recording.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub background: Background,
    pub light: Light,
    /// Width of the face's box in pixels.
    pub face_px: f32,
    /// Centre of the face once it has come in.
    pub x: f32,
    pub y: f32,
    /// When the face begins to come in from the nearer side, and when it begins to leave, in seconds. Either
    /// takes [`MOVE_S`].
    pub enters: f32,
    pub leaves: f32,
    /// Whether the person sways.
    pub sways: bool,
    /// Seconds at which the portrait dissolves into the other one, within [`MOVE_S`].
    pub changes: f32,
}

/// Duration of coming in, leaving and changing, in seconds.
pub const MOVE_S: f32 = 0.4;

/// Draws one act, frame by frame.
pub struct Stage {
    act: Act,
    cut_outs: [CutOut; 2],
    random: u32,
}

/// Two portraits and their faces, from which stages are built.
pub struct Portraits([(Picture, Detection); 2]);

impl Portraits {
    pub fn load() -> Self {
        let settings = settings();
        let manifest = registry().find(&settings.detect.model).unwrap();
        let mut detector = NetworkDetector::open(&manifest, settings.detect.min_score).unwrap();
        Self(["astronaut.jpg", "grace_hopper.jpg"].map(|name| {
            let mut picture = Picture::default();
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures");
            read_picture(&folder.join(name), &mut picture).unwrap();
            let faces = search::all_faces(&mut detector, &picture).unwrap();
            (picture, faces[0])
        }))
    }

    pub fn stage(&self, act: Act) -> Stage {
        let cut_outs = [0, 1].map(|index| {
            let (picture, face) = &self.0[index];
            CutOut::new(picture, face, act.face_px)
        });
        Stage {
            act,
            cut_outs,
            random: 1,
        }
    }
}

impl CutOut {
    /// Head and shoulders around the face, shrunk so that the face is `face_px` wide, with a soft edge.
    fn new(picture: &Picture, face: &Detection, face_px: f32) -> Self {
        let scale = face_px / face.rect.width;
        let centre = face.rect.centre();
        let (across, down) = (face.rect.width * 2.4, face.rect.height * 2.2);
        let (left, top) = (centre.x - across / 2.0, centre.y - down * 0.45);
        let (width, height) = ((across * scale) as usize, (down * scale) as usize);
        let mut pixels = Vec::with_capacity(width * height);
        for index in 0..width * height {
            let (column, row) = ((index % width) as f32, (index / width) as f32);
            let mut pixel = mean(picture, left + column / scale, top + row / scale, 1.0 / scale);
            let (u, v) = (2.0 * column / width as f32 - 1.0, 2.0 * row / height as f32 - 1.0);
            let radius = (u.abs().powi(3) + v.abs().powi(3)).cbrt();
            pixel[3] = ((1.0 - radius) / 0.16).clamp(0.0, 1.0);
            pixels.push(pixel);
        }
        let mut placed = *face;
        placed.rect.x = (face.rect.x - left) * scale;
        placed.rect.y = (face.rect.y - top) * scale;
        placed.rect.width *= scale;
        placed.rect.height *= scale;
        Self {
            width,
            height,
            pixels,
            face: placed,
        }
    }

    /// The pixel at (`x`, `y`), interpolated; transparent outside.
    fn at(&self, x: f32, y: f32) -> [f32; 4] {
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (x - left, y - top);
        let mut sum = [0.0; 4];
        for (dx, dy, weight) in [
            (0.0, 0.0, (1.0 - u) * (1.0 - v)),
            (1.0, 0.0, u * (1.0 - v)),
            (0.0, 1.0, (1.0 - u) * v),
            (1.0, 1.0, u * v),
        ] {
            let (column, row) = (left + dx, top + dy);
            if column < 0.0 || row < 0.0 || column >= self.width as f32 || row >= self.height as f32 {
                continue;
            }
            let pixel = self.pixels[row as usize * self.width + column as usize];
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += weight * value;
            }
        }
        sum
    }
}

/// The mean of the picture's pixels in a square with this corner and side; black outside.
fn mean(picture: &Picture, x: f32, y: f32, side: f32) -> [f32; 4] {
    let steps = side.ceil().max(1.0) as usize;
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let mut sum = [0.0; 4];
    for index in 0..steps * steps {
        let x = x + ((index % steps) as f32 + 0.5) * side / steps as f32;
        let y = y + ((index / steps) as f32 + 0.5) * side / steps as f32;
        if x >= 0.0 && y >= 0.0 && x < width && y < height {
            let start = (y as usize * picture.width() as usize + x as usize) * 3;
            for (sum, level) in sum.iter_mut().zip(&picture.rgb()[start..start + 3]) {
                *sum += f32::from(*level);
            }
        }
    }
    sum.map(|sum| sum / (steps * steps) as f32)
}

/// From 0 at `start` to 1 at `start + MOVE_S`.
fn progress(t: f32, start: f32) -> f32 {
    ((t - start) / MOVE_S).clamp(0.0, 1.0)
}

impl Stage {
    /// The frame with this number since the beginning, captured at `captured`.
    pub fn frame(&mut self, number: u32, captured: Duration) -> Frame {
        let t = number as f32 / RATE as f32;
        let mut rgb = vec![0_u8; WIDTH * HEIGHT * 3];
        let act = self.act;
        let (sigma, level) = match act.light {
            Light::Even => (1.5, 1.0),
            Light::Dim => (5.0, 0.45),
            Light::Side => (3.0, 1.0),
        };
        for (y, row) in rgb.chunks_exact_mut(WIDTH * 3).enumerate() {
            let flicker = self.flicker(t, y);
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let side = match act.light {
                    Light::Side => 0.45 + 0.6 * x as f32 / WIDTH as f32,
                    _ => 1.0,
                };
                let noise = sigma * self.normal();
                let colour = self.colour(x as f32, y as f32, t);
                for (value, colour) in pixel.iter_mut().zip(colour) {
                    *value = (colour * level * side * flicker + noise).clamp(0.0, 255.0) as u8;
                }
            }
        }
        let mut data = Vec::new();
        JpegEncoder::new_with_quality(&mut data, 75)
            .encode(&rgb, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8)
            .unwrap();
        Frame {
            data,
            format: PixelFormat::Mjpeg,
            width: WIDTH as u32,
            height: HEIGHT as u32,
            captured,
            ..Frame::default()
        }
    }

    /// The time at which the face is fully in view and at rest.
    pub fn arrived(&self) -> f32 {
        self.act.enters + MOVE_S
    }

    fn flicker(&self, t: f32, y: usize) -> f32 {
        if self.act.background != Background::Flickering {
            return 1.0;
        }
        let step = if t % 4.0 < 2.0 { 1.0 } else { 0.8 };
        step * (1.0 + 0.06 * (t * 9.7 + y as f32 / 60.0).sin())
    }

    /// Red, green and blue at a pixel, without light and noise.
    fn colour(&self, x: f32, y: f32, t: f32) -> [f32; 3] {
        let mut wall = 120.0 + 25.0 * (x / 37.0).sin() + 20.0 * (y / 29.0).cos();
        if (y as u32) % 160 > 145 {
            wall -= 40.0;
        }
        if self.act.background == Background::Moving {
            let passes = (t * 140.0) % (WIDTH as f32 + 120.0) - 60.0;
            if (x - passes).abs() < 30.0 && y > 60.0 {
                wall = 60.0 + 30.0 * (y / 11.0).sin();
            }
        }
        let wall = [wall, wall * 0.97, wall * 0.92];
        let act = &self.act;
        if t < act.enters || t > act.leaves + MOVE_S {
            return wall;
        }
        let side = if act.x > WIDTH as f32 / 2.0 {
            WIDTH as f32 + 1.3 * act.face_px - act.x
        } else {
            -1.3 * act.face_px - act.x
        };
        let away = (1.0 - progress(t, act.enters)) + progress(t, act.leaves);
        let sway = if act.sways { act.face_px * 0.08 } else { 0.0 };
        let middle_x = act.x + side * away + sway * (t * TAU * 0.35).sin();
        let middle_y = act.y + sway * 0.4 * (t * TAU * 0.6).sin();
        let changed = progress(t, act.changes);
        let mut colour = wall;
        for (cut_out, share) in self.cut_outs.iter().zip([1.0 - changed, changed]) {
            if share == 0.0 {
                continue;
            }
            let face = cut_out.face.rect.centre();
            let [r, g, b, opacity] = cut_out.at(x - middle_x + face.x, y - middle_y + face.y);
            let opacity = opacity * share;
            for (value, over) in colour.iter_mut().zip([r, g, b]) {
                *value = *value * (1.0 - opacity) + over * opacity;
            }
        }
        colour
    }

    /// An approximately normally distributed number with standard deviation 1.
    fn normal(&mut self) -> f32 {
        let mut sum = -2.0;
        for _ in 0..4 {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.random >> 8) as f32 / 16_777_216.0;
        }
        sum * 3.0_f32.sqrt()
    }
}
