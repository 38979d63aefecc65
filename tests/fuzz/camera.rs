//! Data from drivers and camera programs.

use affectd::{
    capture::{
        PixelFormat,
        pipe::LastLine,
        v4l2::{
            Capability,
            enumerate::CameraNode,
            select::{Mode, Request, SizeRange, select},
        },
    },
    text::{self, KnownSecrets},
};

use crate::target::fuzz;

/// Reads numbers from the bytes, and zeros past their end.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn pair(&mut self) -> (u32, u32) {
        (self.word(), self.word())
    }

    /// The code of a supported format, or an arbitrary one.
    fn fourcc(&mut self) -> [u8; 4] {
        let number = self.byte();
        let known = PixelFormat::ALL.get(usize::from(number % 12));
        known.map_or_else(|| self.word().to_le_bytes(), |format| format.fourcc())
    }
}

/// The modes that a driver lists: the selected one is among them, and every refusal can be printed.
#[test]
fn driver_modes() {
    fuzz("camera__driver_modes", |bytes| {
        let mut numbers = Numbers(bytes);
        let request = Request {
            format: PixelFormat::from_fourcc(numbers.fourcc()),
            width: numbers.word() % 8193,
            height: numbers.word() % 8193,
            rate: 1.0 + f32::from(numbers.byte()),
        };
        let capability = Capability {
            driver: "uvcvideo".to_owned(),
            card: format!("{:x}", numbers.word()),
            bus: "usb-1".to_owned(),
            capabilities: numbers.word(),
        };
        let mut modes = Vec::new();
        while !numbers.0.is_empty() {
            let fourcc = numbers.fourcc();
            let (width, height) = if numbers.byte() % 2 == 0 {
                numbers.pair()
            } else {
                let (min, max, step) = (numbers.pair(), numbers.pair(), numbers.pair());
                SizeRange { min, max, step }.fit(request.width, request.height)
            };
            let rates = (0..numbers.byte() % 4)
                .map(|_| f32::from_bits(numbers.word()))
                .collect();
            modes.push(Mode {
                fourcc,
                width,
                height,
                rates,
            });
        }
        if let Ok(selection) = select(&modes, &request) {
            assert!(modes.iter().any(|mode| {
                (mode.width, mode.height) == (selection.width, selection.height)
                    && PixelFormat::from_fourcc(mode.fourcc) == Some(selection.format)
            }));
            assert!(selection.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0));
        }
        let node = CameraNode {
            path: "/dev/video0".into(),
            stable_path: None,
            capability: Ok(capability),
            modes,
        };
        if let Err(error) = node.select(&request) {
            assert!(!error.to_string().contains(text::is_unsafe), "{error}");
        }
    });
}

/// A secret is not shown, whatever surrounds it.
fn assert_no_secret(text: &str) {
    let secret = "gartenzwerg9";
    let middle = (0..=text.len() / 2).rfind(|at| text.is_char_boundary(*at));
    let (before, after) = text.split_at(middle.unwrap_or_default());
    if text.contains(secret) {
        return;
    }
    for form in [
        format!("rtsp://admin:{secret}@camera/"),
        format!("password={secret}"),
        format!("\"password\": \"{secret}\""),
        format!("--password {secret}"),
        format!("Authorization: Basic {secret}"),
    ] {
        let whole = format!("{before}{form}{after}");
        assert!(!text::redacted(&whole).contains(secret), "{whole}");
        let mut line = LastLine::default();
        line.push(whole.as_bytes());
        let shown = line.text(&KnownSecrets::default()).unwrap_or_default();
        assert!(!shown.contains(secret), "{whole}");
    }
    // A secret that the program was given needs no name.
    let command = ["camera".into(), "--password".into(), secret.into()];
    let known = KnownSecrets::new(&command, []);
    let mut line = LastLine::default();
    line.push(format!("{before}{secret}{after}").as_bytes());
    let shown = line.text(&known).unwrap_or_default();
    assert!(!shown.contains(secret), "{before}{secret}{after}");
}

/// The messages of a camera program: what is kept is one bounded line without credentials.
#[test]
fn program_messages() {
    fuzz("camera__program_messages", |bytes| {
        let mut line = LastLine::default();
        // The bytes may arrive in pieces.
        let (first, second) = bytes.split_at(bytes.len() / 3);
        line.push(first);
        line.push(second);
        if let Some(text) = line.text(&KnownSecrets::default()) {
            assert!(!text.contains(text::is_unsafe), "{text}");
            // An escaped character takes at most ten.
            assert!(text.chars().count() <= 2001);
        }
        let text = String::from_utf8_lossy(bytes);
        assert!(!text::sanitized(&text, 200).contains(text::is_unsafe));
        assert!(!text::quoted(&text).contains(text::is_unsafe));
        assert_no_secret(&text);
    });
}
