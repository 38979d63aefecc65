#![allow(clippy::unwrap_used)]
use std::ops::Range;

use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

mod completeness;

use super::*;

const SEQUENTIAL: &[u8] = include_bytes!("../../../tests/data/jpeg/sequential-420.jpg");
const RESTARTS: &[u8] = include_bytes!("../../../tests/data/jpeg/restart-422.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../../../tests/data/jpeg/progressive-420.jpg");
const PROGRESSIVE_RESTARTS: &[u8] = include_bytes!("../../../tests/data/jpeg/progressive-restart-444.jpg");
const GREY: &[u8] = include_bytes!("../../../tests/data/jpeg/grey.jpg");
const CMYK: &[u8] = include_bytes!("../../../tests/data/jpeg/cmyk.jpg");

const ALL: [(&str, &[u8]); 6] = [
    ("sequential", SEQUENTIAL),
    ("restarts", RESTARTS),
    ("progressive", PROGRESSIVE),
    ("progressive with restarts", PROGRESSIVE_RESTARTS),
    ("grey", GREY),
    ("CMYK", CMYK),
];

fn decode(data: &[u8]) -> Result<Picture, JpegError> {
    let mut picture = Picture::default();
    Decoder::default()
        .decode(data, Coding::Any, &mut picture)
        .map(|_| picture)
}

/// The entropy-coded data of every scan.
fn scans(data: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut scans) = (2, Vec::new());
    while data[at + 1] != 0xD9 {
        let is_scan = data[at + 1] == 0xDA;
        at += 2 + usize::from(u16::from_be_bytes([data[at + 2], data[at + 3]]));
        if is_scan {
            let start = at;
            while data[at] != 0xFF || matches!(data[at + 1], 0 | 0xD0..=0xD7) {
                at += 1;
            }
            scans.push(start..at);
        }
    }
    scans
}

/// Compares with the picture's formula (tests/data/jpeg/README.md), which quality 85 reproduces to within a
/// few levels on average.
#[test]
fn every_coding_is_decoded() {
    for (name, data) in ALL {
        let picture = decode(data).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((picture.width(), picture.height()), (61, 45), "{name}");
        let mut difference = 0.0;
        for (index, pixel) in picture.rgb().chunks_exact(3).enumerate() {
            let (x, y) = ((index % 61) as f32, (index / 61) as f32);
            let red = 128.0 + 100.0 * (x / 6.0).sin();
            let green = 128.0 + 100.0 * (y / 5.0).cos();
            let blue = (x * y) % 200.0 + 20.0;
            // Grey is ITU-R 601 luma, as Pillow computes it.
            let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
            let expected = if name == "grey" {
                [luma; 3]
            } else {
                [red, green, blue]
            };
            // Blue has sharp edges, which subsampled chroma does not keep.
            for channel in 0..2 {
                difference += (f32::from(pixel[channel]) - expected[channel]).abs();
            }
        }
        let mean = difference / (61.0 * 45.0 * 2.0);
        assert!(mean < 6.0, "{name}: {mean}");
    }
}

#[test]
fn a_picture_without_eoi_is_decoded() {
    for (name, data) in ALL {
        let unended = &data[..data.len() - 2];
        assert_eq!(decode(unended).unwrap(), decode(data).unwrap(), "{name}");
    }
}

#[test]
fn trailing_bytes_do_not_change_a_picture() {
    // Padding, a second EOI, the box of a motion photo's video with accidental markers, another picture.
    let trailers: [&[u8]; 5] = [
        &[0; 4096],
        &[0xFF; 33],
        &EOI,
        b"\0\0\0\x18ftypmp42\xFF\xDA\0\x08\x01\xFF\xD8\xFF\xC4",
        SEQUENTIAL,
    ];
    for (name, data) in ALL {
        let expected = decode(data).unwrap();
        for trailer in trailers {
            let with_trailer = [data, trailer].concat();
            assert_eq!(decode(&with_trailer).unwrap(), expected, "{name}");
        }
    }
}

/// A picture that is cut within the data of any scan is refused, with and without a marker after the cut.
#[test]
fn a_cut_picture_is_refused_with_any_marker_at_its_end() {
    for (name, data) in ALL {
        for scan in scans(data) {
            // The very last byte may hold only padding bits.
            for length in scan.start..scan.end - 1 {
                for end in [&[][..], &EOI, &[0xFF, 0xD8], &[0xFF, 0xD0]] {
                    let part = [&data[..length], end].concat();
                    assert!(decode(&part).is_err(), "{name}: {length} of {}", data.len());
                }
            }
        }
    }
}

/// A progressive picture whose last scans are missing, without an EOI at the cut.
#[test]
fn a_missing_scan_is_noticed() {
    for data in [PROGRESSIVE, PROGRESSIVE_RESTARTS] {
        let scans = scans(data);
        for scan in &scans[..scans.len() - 1] {
            let error = decode(&data[..scan.end]).unwrap_err();
            assert!(matches!(error, JpegError::MissingScan), "{error}");
        }
    }
}

#[test]
fn a_missing_interval_between_restarts_is_noticed() {
    let markers: Vec<usize> = scans(RESTARTS)[0]
        .clone()
        .filter(|&at| RESTARTS[at] == 0xFF && matches!(RESTARTS[at + 1], 0xD0..=0xD7))
        .collect();
    assert!(markers.len() > 4);
    for pair in markers.windows(2) {
        let cut = [&RESTARTS[..pair[0]], &RESTARTS[pair[1]..]].concat();
        assert!(matches!(decode(&cut), Err(JpegError::CutOff { .. })), "{pair:?}");
    }
    // The second half of an interval.
    let half = (markers[1] + markers[2]) / 2;
    let cut = [&RESTARTS[..half], &RESTARTS[markers[2]..]].concat();
    assert!(decode(&cut).is_err());
}

#[test]
fn stray_bytes_are_accepted() {
    // Before the end, before a restart marker, fill bytes before markers.
    let expected = decode(RESTARTS).unwrap();
    let end = RESTARTS.len() - 2;
    let restart = scans(RESTARTS)[0]
        .clone()
        .find(|&at| RESTARTS[at] == 0xFF && RESTARTS[at + 1] == 0xD0)
        .unwrap();
    for (at, stray) in [
        (end, &[0x12, 0x34, 0, 0][..]),
        (end, &[0xFF; 3]),
        (restart, &[0x55, 0]),
        (restart, &[0xFF]),
    ] {
        let with_stray = [&RESTARTS[..at], stray, &RESTARTS[at..]].concat();
        assert_eq!(decode(&with_stray).unwrap(), expected, "{at} {stray:?}");
    }
}

/// Every block is counted, so half a picture has about half the blocks.
#[test]
fn an_error_counts_blocks() {
    let mut data = Vec::new();
    let rgb: Vec<u8> = (0..64 * 64 * 3_u32).map(|i| (i * 7 % 251) as u8).collect();
    JpegEncoder::new_with_quality(&mut data, 90)
        .encode(&rgb, 64, 64, ExtendedColorType::Rgb8)
        .unwrap();
    let scan = scans(&data)[0].clone();
    let half = [&data[..(scan.start + scan.end) / 2], &EOI].concat();
    let Err(JpegError::CutOff { blocks, expected }) = decode(&half) else {
        panic!("half a picture was accepted");
    };
    assert_eq!(expected, 64 * 3);
    assert!((64..128).contains(&blocks), "{blocks}");
}

#[test]
fn the_exif_data_are_returned() {
    let segment = b"Exif\0\0MM\0\x2Arest";
    let mut data = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, segment.len() as u8 + 2];
    data.extend_from_slice(segment);
    data.extend_from_slice(&GREY[2..]);
    assert!(decode(&data).is_ok());
    assert_eq!(exif(&data), Some(&b"MM\0\x2Arest"[..]));
    assert_eq!(exif(SEQUENTIAL), None);
}

#[test]
fn a_camera_may_not_send_progressive_pictures() {
    let mut picture = Picture::default();
    let error = Decoder::default()
        .decode(PROGRESSIVE, Coding::Sequential, &mut picture)
        .unwrap_err();
    assert!(matches!(error, JpegError::Progressive), "{error}");
}

/// The decoder places the blocks of such pictures wrongly.
#[test]
fn unusual_sampling_is_refused() {
    let frame = SEQUENTIAL
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    let mut sampling = SEQUENTIAL.to_vec();
    // Luma 1x1, chroma 2x2.
    for (component, factors) in [(0, 0x11), (1, 0x22), (2, 0x22)] {
        sampling[frame + 11 + 3 * component] = factors;
    }
    assert!(matches!(decode(&sampling), Err(JpegError::Sampling)));

    let scan = SEQUENTIAL
        .windows(2)
        .position(|pair| pair == [0xFF, 0xDA])
        .unwrap();
    // Luma alone, as the first of three scans.
    let separate = [
        &SEQUENTIAL[..scan],
        &[0xFF, 0xDA, 0, 8, 1, SEQUENTIAL[scan + 5], 0, 0, 63, 0],
        &SEQUENTIAL[scans(SEQUENTIAL)[0].clone()],
    ]
    .concat();
    assert!(matches!(decode(&separate), Err(JpegError::SeparateScans)));
}

/// The mean luma of the pixels of each cell, from the decoded picture.
fn means(picture: &Picture, cell: usize) -> Vec<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mean = |column: usize, row: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for y in row * cell..height.min((row + 1) * cell) {
            for x in column * cell..width.min((column + 1) * cell) {
                let pixel = &picture.rgb()[(y * width + x) * 3..][..3];
                sum +=
                    0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]);
                count += 1.0;
            }
        }
        sum / count
    };
    (0..height.div_ceil(cell))
        .flat_map(|row| (0..width.div_ceil(cell)).map(move |column| (column, row)))
        .map(|(column, row)| mean(column, row))
        .collect()
}

#[test]
fn the_luma_grid_is_that_of_the_decoded_picture() {
    for (name, data) in [("sequential", SEQUENTIAL), ("restarts", RESTARTS), ("grey", GREY)] {
        let mut grid = LumaGrid::default();
        let complete = measure(data, Coding::Sequential, &mut grid).unwrap();
        assert_eq!((complete.width, complete.height), (61, 45));
        assert_eq!(
            (grid.width(), grid.height(), grid.columns()),
            (61, 45, 8),
            "{name}"
        );
        let means = means(&decode(data).unwrap(), 8);
        for (index, (&cell, mean)) in grid.cells().iter().zip(&means).enumerate() {
            // The blocks at the right and lower edge reach beyond the picture.
            let is_inside = index % 8 < 7 && index / 8 < 5;
            let difference = (f32::from(cell) / 8.0 - mean).abs();
            assert!(
                !is_inside || difference < 6.0,
                "{name}: cell {index} is off by {difference}"
            );
        }
    }
}

#[test]
fn the_cells_of_a_large_picture_are_means_of_blocks() {
    let mut data = Vec::new();
    let pixel = |index: usize| (((index % 1320) as f32 / 40.0).sin() * 100.0 + 128.0) as u8;
    let pixels: Vec<u8> = (0..1320 * 48).map(pixel).collect();
    JpegEncoder::new_with_quality(&mut data, 90)
        .encode(&pixels, 1320, 48, ExtendedColorType::L8)
        .unwrap();
    let mut grid = LumaGrid::default();
    measure(&data, Coding::Sequential, &mut grid).unwrap();
    assert_eq!(
        (grid.cell(), grid.columns(), grid.cells().len()),
        (16, 83, 83 * 3)
    );
    let means = means(&decode(&data).unwrap(), 16);
    for (index, (&cell, mean)) in grid.cells().iter().zip(&means).enumerate() {
        let difference = (f32::from(cell) / 8.0 - mean).abs();
        assert!(
            index % 83 == 82 || difference < 2.0,
            "cell {index} is off by {difference}"
        );
    }
}

#[test]
fn a_progressive_picture_has_an_empty_luma_grid() {
    let mut grid = LumaGrid::default();
    measure(PROGRESSIVE, Coding::Any, &mut grid).unwrap();
    assert_eq!((grid.width(), grid.cells().len()), (61, 0));
    assert!(measure(PROGRESSIVE, Coding::Sequential, &mut grid).is_err());
}
