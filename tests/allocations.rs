//! In steady state, processing a frame must not allocate, networks included: a daemon that runs for years
//! must not fragment its heap. This is the only test in this program, because the counter covers every
//! thread.

#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use affectd::{
    capture::{Decoder, Frame, PixelFormat, Recv, Slot},
    config::{self, Smoothing},
    health::{Stage, StageTimes},
    luma::LumaGrid,
    model::Registry,
    picture::Picture,
    sense::{
        alignment::AlignedCrop,
        attention::{Attention, HeadPose},
        detect::{Detections, Detector as _},
        detection::{Detection, Landmarks},
        engine::{NetworkClassifier, NetworkDetector},
        face::{MAX_FACES, Prediction, Probabilities, TrackedFace},
        geometry::{Point, Rect},
        motion::{ChangeFlag, ChangeMap},
        report::Events,
        scene::SceneSummary,
        smooth::Smoother,
        track::{Track, Tracker},
        visits::Visits,
    },
};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting has no effect on memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: (u32, u32) = (640, 480);

const FLAG: ChangeFlag = ChangeFlag::new(0);

const WHOLE: Rect = Rect {
    x: 0.0,
    y: 0.0,
    width: 640.0,
    height: 480.0,
};

/// The formats that are decoded by this crate; JPEG decoding allocates inside its library.
const LAYOUTS: [PixelFormat; 6] = [
    PixelFormat::Yuyv,
    PixelFormat::Nv12,
    PixelFormat::Yu12,
    PixelFormat::Grey,
    PixelFormat::Rgb3,
    PixelFormat::Bgr3,
];

/// The bundled networks, with the preprocessing of their inputs and the decoding of their outputs.
struct Networks {
    detectors: [NetworkDetector; 2],
    classifier: NetworkClassifier,
    picture: Picture,
    found: Detections,
}

impl Networks {
    fn open() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
        let registry = Registry::open(Path::new(folder)).unwrap();
        let detector = |name| NetworkDetector::open(&registry.find(name).unwrap(), 0.4).unwrap();
        let mut picture = Picture::default();
        for (index, byte) in picture.reset(SIZE.0, SIZE.1).iter_mut().enumerate() {
            *byte = (index * index / 7) as u8;
        }
        Self {
            detectors: [detector("centerface"), detector("blazeface")],
            classifier: NetworkClassifier::open(&registry.find("maxvit-ferplus-64").unwrap()).unwrap(),
            picture,
            found: Detections::new(),
        }
    }

    fn frame(&mut self, number: u32) {
        let face = face(number as f32 * 40.0);
        for detector in &mut self.detectors {
            detector
                .detect(&self.picture, &face.rect, &mut self.found)
                .unwrap();
        }
        let crop = AlignedCrop::fit(&face.landmarks).unwrap();
        self.classifier.classify(&self.picture, &crop).unwrap();
    }
}

/// All stages of a frame except the networks.
struct Line {
    slot: Slot,
    written: Frame,
    read: Frame,
    decoder: Decoder,
    luma: LumaGrid,
    changes: ChangeMap,
    picture: Picture,
    tracker: Tracker,
    smoothers: [Smoother; 3],
    attention: Attention,
    scene: SceneSummary,
    visits: Visits,
    times: StageTimes,
}

impl Line {
    fn frame(&mut self, number: u32, format: PixelFormat) {
        let now = Duration::from_millis(u64::from(number) * 66);
        self.written.format = format;
        (self.written.width, self.written.height) = SIZE;
        self.written.stride = match format {
            PixelFormat::Yuyv => SIZE.0 * 2,
            PixelFormat::Rgb3 | PixelFormat::Bgr3 => SIZE.0 * 3,
            _ => SIZE.0,
        };
        self.written
            .data
            .resize((SIZE.0 * SIZE.1 * 3) as usize, number as u8);
        self.slot.put(&mut self.written);
        assert_eq!(self.slot.take(&mut self.read), Recv::Frame);
        let changes = &mut self.changes;
        self.decoder
            .decode_if(&self.read, &mut self.luma, &mut self.picture, |luma| {
                changes.update(luma);
                changes.mark_unchanged(FLAG, &WHOLE);
                true
            })
            .unwrap();

        // Three moving faces. The third regularly disappears for long enough to leave and appear again.
        let seen = [0.0, 200.0, 400.0].map(|x| face(x + (number % 50) as f32));
        let seen = if number % 100 < 60 { &seen[..] } else { &seen[..2] };
        self.tracker.update(seen, 0, now);
        for smoother in &mut self.smoothers {
            let mut probabilities = [0.02; 8];
            probabilities[(number / 40) as usize % 8] = 0.86;
            let prediction = Prediction {
                probabilities: Probabilities::from_weights(probabilities),
                valence: Some(0.3),
                arousal: Some(-0.1),
            };
            smoother.update(now, &prediction, 0.8);
        }
        let tracked = |track: &Track| TrackedFace {
            track: track.id,
            detection: track.detection,
            seen: track.seen == now,
            attending: self
                .attention
                .update(now, HeadPose::estimate(&track.detection.landmarks)),
            smoothed: self.smoothers[0].current(),
            ..TrackedFace::default()
        };
        let faces: heapless::Vec<TrackedFace, MAX_FACES> = self.tracker.faces().iter().map(tracked).collect();
        self.visits
            .update(now, jiff::civil::Date::ZERO, &faces, &mut Events::new());
        self.scene.update(&faces, self.visits.is_any_open());
        self.times
            .record(now, Stage::Decode, Duration::from_micros(u64::from(number)));
    }
}

fn face(x: f32) -> Detection {
    let at = |dx: f32, dy: f32| Point {
        x: x + dx,
        y: 100.0 + dy,
    };
    Detection {
        rect: Rect {
            x,
            y: 100.0,
            width: 120.0,
            height: 140.0,
        },
        score: 0.9,
        landmarks: Landmarks {
            right_eye: at(35.0, 55.0),
            left_eye: at(85.0, 55.0),
            nose: at(60.0, 85.0),
            mouth: at(60.0, 110.0),
        },
    }
}

fn smoothing() -> Smoothing {
    Smoothing {
        tau: Duration::from_millis(800),
        va_tau: Duration::from_millis(800),
        margin: 0.1,
        dwell: Duration::from_millis(500),
        floor: 0.35,
        gap: Duration::from_millis(2000),
    }
}

#[test]
fn nothing_is_allocated_for_a_frame() {
    allocates_nothing_in_networks();
    allocates_nothing_elsewhere();
}

fn allocates_nothing_in_networks() {
    let mut networks = Networks::open();
    // Buffers reach their final size.
    networks.frame(0);
    let before = ALLOCATIONS.load(Relaxed);
    for number in 0..10 {
        networks.frame(number);
    }
    assert_eq!(
        ALLOCATIONS.load(Relaxed) - before,
        0,
        "heap allocations in 10 runs of each network"
    );
}

fn allocates_nothing_elsewhere() {
    let publish = config::Publish {
        min_faces: 1,
        min_quality: 0.1,
    };
    let mut line = Line {
        slot: Slot::new(),
        written: Frame::default(),
        read: Frame::default(),
        decoder: Decoder::new(),
        luma: LumaGrid::default(),
        changes: ChangeMap::new(&[FLAG]),
        picture: Picture::default(),
        tracker: Tracker::new(Duration::from_secs(1), Duration::from_millis(500)),
        smoothers: [Smoother::new(&smoothing(), 0.1); 3],
        attention: Attention::new(&config::Attention {
            yaw_deg: 25.0,
            pitch_deg: 25.0,
            hold: Duration::from_millis(500),
        }),
        scene: SceneSummary::new(&smoothing(), &publish),
        visits: Visits::new(&config::Visit {
            gap: Duration::from_millis(1000),
            present: Duration::from_millis(1000),
            smile: Duration::from_millis(1000),
        }),
        times: StageTimes::new(Duration::from_secs(60)),
    };
    // The three buffers in rotation reach their final size.
    for (number, format) in LAYOUTS.into_iter().cycle().take(12).enumerate() {
        line.frame(number as u32, format);
    }
    let before = ALLOCATIONS.load(Relaxed);
    for (number, format) in LAYOUTS.into_iter().cycle().take(600).enumerate() {
        line.frame(12 + number as u32, format);
    }
    assert_eq!(
        ALLOCATIONS.load(Relaxed) - before,
        0,
        "heap allocations in 600 frames"
    );
}
