//! In steady state, a frame causes no heap allocation on its way from the stream to the picture.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use affectd::{
    capture::{Decoder, Frame, Recv, Slot, opener},
    clock::SystemClock,
    config::{Camera, CameraFormat, SourceKind},
    interrupt::Interrupt,
    picture::Picture,
};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands every call to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn settings(source: SourceKind, format: CameraFormat) -> Camera {
    Camera {
        source,
        device: "auto".into(),
        format,
        width: 64,
        height: 48,
        rate: 0.0,
        timeout: Duration::from_secs_f32(10.0),
        start_timeout: Duration::ZERO,
        stride: 0,
        rotate: 0,
        mirror: false,
        fov_deg: 65.0,
        command: Vec::new(),
        path: PathBuf::default(),
        repeat: true,
    }
}

/// Passes frames through source, slot and decoder. Returns the allocations during `count` frames, after
/// `first` frames of warm-up.
fn allocations(settings: &Camera, first: u32, count: u32) -> u64 {
    let interrupt = Interrupt::new().unwrap();
    let mut source = opener(settings, Arc::new(SystemClock::new()))
        .unwrap()
        .open(&interrupt)
        .unwrap();
    let (slot, mut decoder, mut picture) = (Slot::new(), Decoder::new(), Picture::default());
    let (mut written, mut read) = (Frame::default(), Frame::default());
    let mut before = 0;
    for index in 0..first + count {
        if index == first {
            before = COUNT.get();
        }
        source.next(&mut written, &interrupt).unwrap();
        slot.put(&mut written);
        assert_eq!(slot.take(&mut read), Recv::Frame);
        decoder.decode(&read, &mut picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (64, 48));
    }
    COUNT.get() - before
}

#[test]
fn a_clip_without_allocations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.y4m");
    let mut bytes = b"YUV4MPEG2 W64 H48 F25:1 C420\n".to_vec();
    for value in 0..50 {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend_from_slice(&[value; 64 * 48 * 3 / 2]);
    }
    std::fs::write(&path, bytes).unwrap();
    let settings = Camera {
        path,
        ..settings(SourceKind::Files, CameraFormat::Auto)
    };
    assert_eq!(allocations(&settings, 60, 200), 0);
}

#[test]
fn a_pipe_without_allocations() {
    for format in [
        CameraFormat::Yuyv,
        CameraFormat::Nv12,
        CameraFormat::Yu12,
        CameraFormat::Grey,
        CameraFormat::Rgb3,
        CameraFormat::Bgr3,
    ] {
        let settings = Camera {
            command: vec!["cat".into(), "/dev/zero".into()],
            ..settings(SourceKind::Pipe, format)
        };
        assert_eq!(allocations(&settings, 10, 100), 0, "{format:?}");
    }
}
