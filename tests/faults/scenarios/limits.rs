//! Descriptors, memory or disk space run out, or inputs demand too much of them.

use std::fs::{self, File};

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};
use serde_json::Value;

use crate::{
    lab::{Lab, pass, shell, until},
    runner::{Impossible, Outcome, Scenario},
};

/// MemoryMax of the unit, MiB.
const MEMORY: u64 = 512;

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "descriptors",
        fault: "between 6 and 20 file descriptors are allowed",
        promise: "exit code 70, or the daemon runs and says what it lacks; it never hangs",
        run: descriptors,
    },
    Scenario {
        name: "large-raw-frames",
        fault: "the camera program writes raw frames of 64 MiB",
        promise: "sensed within the unit's 512 MiB",
        run: |lab| large_frames(lab, &raw(8192, 8192), "camera.rotate=0"),
    },
    Scenario {
        name: "large-turned-frames",
        fault: "raw frames of 64 MiB are to be turned by 90 degrees",
        promise: "sensed within the unit's 512 MiB",
        run: |lab| large_frames(lab, &raw(8192, 8192), "camera.rotate=90"),
    },
    Scenario {
        name: "large-jpeg-frames",
        fault: "JPEG frames of 8192x8192 pixels are to be turned by 270 degrees",
        promise: "sensed within the unit's 512 MiB",
        run: large_jpeg_frames,
    },
    Scenario {
        name: "picture-bombs",
        fault: "PNG files of some kilobytes hold 8192x8192 pixels of up to 64 bits, or claim 2^31",
        promise: "within 512 MiB each is decoded or refused with a reason",
        run: picture_bombs,
    },
    Scenario {
        name: "full-disk",
        fault: "results go to a file on a disk that is full for a while",
        promise: "waited out: whole lines before and after, the newest state follows",
        run: full_disk,
    },
    Scenario {
        name: "file-size-limit",
        fault: "the file with the results reaches the limit on file sizes",
        promise: "the daemon goes on, and says it once",
        run: file_size_limit,
    },
    Scenario {
        name: "reader-leaves",
        fault: "the program that reads the results ends",
        promise: "the daemon goes on, and says it once",
        run: reader_leaves,
    },
    Scenario {
        name: "log-on-full-disk",
        fault: "the log goes to a full disk",
        promise: "results go on",
        run: log_on_full_disk,
    },
];

fn descriptors(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let (mut ended, mut ran) = (Vec::new(), Vec::new());
    for allowed in [6, 8, 10, 12, 14, 16, 18, 20] {
        let limit = format!("--nofile={allowed}");
        let mut daemon = lab
            .daemon()
            .broker(broker.port)
            .within(&["prlimit", &limit])
            .start();
        pass(4.0);
        if daemon.is_running() {
            daemon.signal("TERM");
        }
        match daemon.wait().code() {
            Some(0) => ran.push(allowed),
            Some(70) => {
                assert!(daemon.log().contains("open files"), "{allowed}: {}", daemon.log());
                ended.push(allowed);
            }
            code => panic!("{allowed}: {code:?}, {}", daemon.log()),
        }
    }
    let mark = broker.messages.mark();
    let mut daemon = lab
        .daemon()
        .broker(broker.port)
        .within(&["prlimit", "--nofile=24"])
        .start();
    broker.messages.wait_for_category(mark, "happiness");
    daemon.stop("TERM");
    Ok(format!(
        "exit code 70 with {ended:?}, runs with {ran:?}, a face with 24"
    ))
}

/// Settings of a camera program that writes raw grey frames.
fn raw(width: u32, height: u32) -> Vec<String> {
    vec![
        "camera.format=GREY".into(),
        format!("camera.width={width}"),
        format!("camera.height={height}"),
        "camera.rate=1".into(),
    ]
}

fn large_frames(lab: &Lab, settings: &[String], rotation: &str) -> Outcome {
    let mut setup = lab
        .daemon()
        .camera("while :; do head -c 67108864 /dev/zero; done")
        .set(rotation);
    for setting in settings {
        setup = setup.set(setting);
    }
    sensed_within_memory(setup.set("camera.timeout_s=30").start())
}

fn large_jpeg_frames(lab: &Lab) -> Outcome {
    let path = lab.path("large.jpg");
    let pixels = vec![100; 8192 * 8192];
    JpegEncoder::new_with_quality(File::create(&path).unwrap(), 90)
        .encode(&pixels, 8192, 8192, ExtendedColorType::L8)
        .unwrap();
    let camera = format!("while :; do cat {}; sleep 0.2; done", path.display());
    let setup = lab.daemon().camera(&camera).set("camera.rotate=270");
    sensed_within_memory(setup.set("camera.timeout_s=30").start())
}

fn sensed_within_memory(mut daemon: crate::daemon::Daemon) -> Outcome {
    let seconds = until("three states", || {
        daemon.output().matches("\"faces\":0").count() >= 3
    });
    until("frames were sensed", || {
        daemon.output().lines().any(|line| {
            line.contains("/health") && !line.contains("\"total\":null") && line.contains("\"total\"")
        })
    });
    let peak = daemon.peak();
    assert!(peak < MEMORY, "{peak} MiB");
    daemon.stop("TERM");
    Ok(format!("at most {peak} MiB, first states after {seconds:.0} s"))
}

/// A PNG of one colour.
fn png(path: &std::path::Path, colour: ExtendedColorType) {
    let bytes = usize::from(colour.bits_per_pixel()) / 8 * 8192 * 8192;
    let (compression, filter) = (
        image::codecs::png::CompressionType::Best,
        image::codecs::png::FilterType::Up,
    );
    PngEncoder::new_with_quality(File::create(path).unwrap(), compression, filter)
        .write_image(&vec![90; bytes], 8192, 8192, colour)
        .unwrap();
}

fn picture_bombs(lab: &Lab) -> Outcome {
    let mut most = 0;
    let mut words = Vec::new();
    for (name, colour) in [
        ("grey.png", ExtendedColorType::L8),
        ("rgb.png", ExtendedColorType::Rgb8),
        ("rgba.png", ExtendedColorType::Rgba8),
        ("rgb16.png", ExtendedColorType::Rgb16),
        ("rgba16.png", ExtendedColorType::Rgba16),
    ] {
        png(&lab.path(name), colour);
        let kilobytes = fs::metadata(lab.path(name)).unwrap().len() >> 10;
        let (peak, text) = analyzed(lab, name);
        assert!(peak < MEMORY, "{name} of {kilobytes} KiB: {peak} MiB, {text}");
        most = most.max(peak);
        words.push(format!("{name} {peak} MiB"));
    }
    // A header that claims 2^31 - 1 pixels in each direction, with its checksum.
    let mut claim = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\0\0\0".to_vec();
    claim.extend_from_slice(&crc(&claim[12..]).to_be_bytes());
    lab.write("claim.png", claim);
    let (peak, text) = analyzed(lab, "claim.png");
    assert!(peak < 100 && text.contains("claim.png"), "{peak} MiB, {text}");
    Ok(words.join(", "))
}

/// Analyzes a picture. Returns the peak memory in MiB, and the output.
fn analyzed(lab: &Lab, name: &str) -> (u64, String) {
    let output = std::process::Command::new("/usr/bin/env")
        .args(["bash", "-c", "\"$@\" & wait $!; code=$?; exit $code", "bash"])
        .args(["python3", "-c", PEAK, env!("CARGO_BIN_EXE_affectd"), "analyze"])
        .arg(lab.path(name))
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find_map(|line| line.strip_prefix("peak "));
    (last.and_then(|peak| peak.parse().ok()).unwrap_or(u64::MAX), text)
}

/// Runs a program and prints its peak memory in MiB.
const PEAK: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
assert code in (0, 66), code";

/// The checksum of PNG's chunks (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            0xEDB8_8320 ^ (crc >> 1)
        } else {
            crc >> 1
        }
    };
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn full_disk(lab: &Lab) -> Outcome {
    let disk = lab.path("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk)
        .status()
        .unwrap();
    if !mounted.success() {
        return Err(Impossible("no file system can be mounted"));
    }
    let results = disk.join("results");
    let mut daemon = lab.daemon().stdout(File::create(&results).unwrap()).start();
    let read = || fs::read_to_string(&results).unwrap();
    until("a face", || read().contains("\"happiness\""));
    let filler = disk.join("filler");
    shell(&format!(
        "cat /dev/zero > {} 2> /dev/null || true",
        filler.display()
    ));
    daemon.wait_for_log("standard output cannot be written");
    pass(6.0);
    let full = read().lines().count();
    lab.show("wall");
    pass(3.0);
    fs::remove_file(&filler).unwrap();
    let seconds = until("the newest state", || {
        let text = read();
        let last = text.lines().rfind(|line| line.contains("/state"));
        text.lines().count() > full && last.is_some_and(|line| line.contains("\"none\""))
    });
    daemon.stop("TERM");
    let text = read();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["topic"].is_string());
    }
    let log = daemon.log();
    assert_eq!(log.matches("standard output").count(), 2, "{log}");
    drop(daemon);
    shell(&format!("umount {}", disk.display()));
    Ok(format!(
        "the newest state {seconds:.1} s after there was room; no torn line"
    ))
}

fn file_size_limit(lab: &Lab) -> Outcome {
    let mut daemon = lab.daemon().within(&["prlimit", "--fsize=6000"]).start();
    daemon.wait_for_log("standard output cannot be written");
    pass(3.0);
    assert!(daemon.is_running());
    daemon.stop("TERM");
    assert_eq!(daemon.log().matches("standard output").count(), 1);
    Ok("goes on".into())
}

fn reader_leaves(lab: &Lab) -> Outcome {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut daemon = lab.daemon().stdout(writer).start();
    pass(3.0);
    drop(reader);
    daemon.wait_for_log("standard output is closed");
    pass(3.0);
    assert!(daemon.is_running());
    daemon.stop("TERM");
    assert_eq!(daemon.log().matches("standard output").count(), 1);
    Ok("goes on".into())
}

fn log_on_full_disk(lab: &Lab) -> Outcome {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut daemon = lab.daemon().stderr(full).start();
    until("faces", || daemon.output().matches("\"happiness\"").count() >= 3);
    daemon.stop("TERM");
    Ok("goes on".into())
}
