//! What looks like a whole picture and is not, and the reverse.

use super::*;

/// A square colour picture without flat areas.
fn detailed(side: u32) -> Vec<u8> {
    let mut data = Vec::new();
    let rgb: Vec<u8> = (0..side * side * 3).map(|i| (i % 4096 * i % 251) as u8).collect();
    JpegEncoder::new_with_quality(&mut data, 90)
        .encode(&rgb, side, side, ExtendedColorType::Rgb8)
        .unwrap();
    data
}

/// Why a picture is refused.
fn refusal(data: &[u8]) -> Option<JpegError> {
    decode(data).err()
}

/// Padding that decodes as blocks, with every marker that may follow it.
fn paddings() -> impl Iterator<Item = (u8, Vec<u8>)> {
    [0, 0x01, 0x10, 0x55, 0xAA, 0xFE].into_iter().flat_map(|value| {
        [&[][..], &EOI, &[0xFF, 0xD8]].map(|end| (value, [&vec![value; 40_000][..], end].concat()))
    })
}

/// A driver reports the size of its buffer after a transfer that was cut off.
#[test]
fn padding_does_not_replace_blocks() {
    for (name, data) in ALL.into_iter().chain([("detailed", &detailed(64)[..])]) {
        for scan in scans(data) {
            // In the place of the last few blocks, too little padding may be decoded to be noticed.
            for length in (scan.start..scan.end - scan.len() / 5).step_by(7) {
                for (value, padding) in paddings() {
                    let error = refusal(&[&data[..length], &padding].concat());
                    assert!(
                        matches!(error, Some(ref error) if !matches!(error, JpegError::Decode(_))),
                        "{name}: {length} of {}, padded with {value:02X}: {error:?}",
                        data.len()
                    );
                }
            }
        }
    }
}

/// Text, black and grey pixels of other formats, and filler that decodes.
#[test]
fn a_repeated_pattern_does_not_replace_blocks() {
    let data = detailed(128);
    let scan = scans(&data)[0].clone();
    let patterns: [&[u8]; 7] = [
        b"\r\n",
        &[0x10, 0x80],
        &[0, 1],
        &[0xAA, 0x55],
        &[0x80, 0x80, 0x80],
        &[0x80, 0x80, 0x80, 0],
        &[0xFF, 0, 0, 0],
    ];
    for pattern in patterns {
        for tenth in 1..10 {
            let cut = scan.start + (scan.end - scan.start) * tenth / 10;
            for count in [1000, 40_000] {
                let padded = [&data[..cut], &pattern.repeat(count)].concat();
                assert!(refusal(&padded).is_some(), "{pattern:02X?} after {cut} bytes");
            }
            // A whole picture may be followed by it.
            let followed = [&data[..], &pattern.repeat(1000)].concat();
            assert!(refusal(&followed).is_none(), "{pattern:02X?}");
        }
    }
}

#[test]
fn an_error_says_where_padding_begins() {
    let data = detailed(64);
    let scan = scans(&data)[0].clone();
    let mut half = (scan.start + scan.end) / 2;
    while matches!(data[half - 1], 0 | 0xFF) {
        half += 1;
    }
    let padded = [&data[..half], &[0; 40_000], &EOI].concat();
    let decoded = refusal(&padded);
    let measured = measure(&padded, Coding::Sequential, &mut LumaGrid::default()).err();
    for error in [decoded, measured] {
        assert!(
            matches!(error, Some(JpegError::Padded { at, ref pattern }) if at == half && pattern == "00"),
            "{half}: {error:?}"
        );
    }
}

#[test]
fn padding_after_the_last_block_is_accepted() {
    for (name, data) in ALL.into_iter().chain([("detailed", &detailed(64)[..])]) {
        let expected = decode(data).unwrap();
        let unended = &data[..data.len() - 2];
        for (value, padding) in paddings() {
            for whole in [data, unended] {
                let padded = [whole, &padding].concat();
                assert_eq!(decode(&padded).unwrap(), expected, "{name}, {value:02X}");
            }
        }
    }
}

/// A covered lens.
#[test]
fn flat_pictures_are_whole() {
    for value in [0_u8, 128, 255] {
        for (colour, samples) in [(ExtendedColorType::L8, 1), (ExtendedColorType::Rgb8, 3)] {
            let mut data = Vec::new();
            JpegEncoder::new_with_quality(&mut data, 100)
                .encode(&vec![value; 160 * 128 * samples], 160, 128, colour)
                .unwrap();
            let unended = &data[..data.len() - 2];
            let padded = [unended, &[0; 4096]].concat();
            for whole in [&data, unended, &padded] {
                let picture = decode(whole).unwrap();
                assert!(
                    picture.rgb().iter().all(|got| got.abs_diff(value) <= 1),
                    "{value} {colour:?}"
                );
            }
        }
    }
}

/// A grey picture of 8 by 8 pixels per block whose blocks are flat. The only codes are 0 for a difference of
/// the DC coefficient with `size` bits and 0 for the end of a block.
fn flat(columns: u8, rows: u8, size: u8, data: &[u8]) -> Vec<u8> {
    let mut picture = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    picture.extend([1; 64]);
    picture.extend([0xFF, 0xC0, 0, 11, 8, 0, 8 * rows, 0, 8 * columns, 1, 1, 0x11, 0]);
    for (table, symbol) in [(0, size), (0x10, 0)] {
        picture.extend([0xFF, 0xC4, 0, 20, table, 1]);
        picture.extend([0; 15]);
        picture.push(symbol);
    }
    picture.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    picture.extend(data);
    picture
}

/// Optimized Huffman tables may code a flat picture with zeros only. What follows the zeros then decides.
#[test]
fn a_flat_picture_of_equal_bytes_is_whole() {
    // Two bits for each of 256 blocks.
    let unended = flat(16, 16, 0, &[0; 64]);
    for after in [&[][..], &EOI, &[0x55; 100], &[0, 0, 0x55], &[0, 0, 0xFF, 0xD9]] {
        let picture = decode(&[&unended[..], after].concat()).unwrap();
        assert!(picture.rgb().iter().all(|&value| value == 128), "{after:?}");
    }
    // This may as well be a part of the picture, with padding.
    let error = refusal(&[&unended[..], &[0; 100]].concat());
    assert!(
        matches!(error, Some(JpegError::Padded { ref pattern, .. }) if pattern == "00"),
        "{error:?}"
    );
}

/// Differences of eleven bits, each after the code 0 and before the bits `after`.
fn entropy_coded(differences: &[i32], after: &str) -> Vec<u8> {
    let mut bits = String::new();
    for difference in differences {
        // Negative values are stored less one.
        let value = (difference - i32::from(*difference < 0)) & 0x7FF;
        bits += &format!("0{value:011b}{after}");
    }
    let mut data = Vec::new();
    for byte in bits.as_bytes().chunks(8) {
        let byte = format!("{:1<8}", str::from_utf8(byte).unwrap());
        data.push(u8::from_str_radix(&byte, 2).unwrap());
        if data.ends_with(&[0xFF]) {
            data.push(0);
        }
    }
    data.extend(EOI);
    data
}

#[test]
fn the_mean_of_a_block_is_bounded() {
    for (differences, damaged) in [
        // An encoder stays within 1024; twice that is allowed.
        (&[1024, 1024][..], None),
        (&[-1024, -1024], None),
        (&[2047, -2047, -2047, 2047], None),
        (&[2047, 2047], Some(1)),
        (&[-1024, -1024, -1024], Some(2)),
    ] {
        let picture = flat(differences.len() as u8, 1, 11, &entropy_coded(differences, "0"));
        match refusal(&picture) {
            None => assert_eq!(damaged, None, "{differences:?}"),
            Some(JpegError::Mean { block }) => assert_eq!(damaged, Some(block), "{differences:?}"),
            Some(error) => panic!("{differences:?}: {error}"),
        }
    }
}

/// Its first scan may hold only the upper bits.
#[test]
fn the_mean_of_a_progressive_block_is_bounded() {
    for (differences, low, damaged) in [
        (&[2047, 2047][..], 0, Some(1)),
        (&[1024, -1024, -1024], 1, None),
        (&[1024, 1024], 1, Some(1)),
        (&[-1024, -1024], 1, Some(1)),
    ] {
        let data = entropy_coded(differences, "");
        let mut picture = flat(differences.len() as u8, 1, 11, &data);
        let marker = picture.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        picture[marker + 1] = 0xC2;
        let start = picture.len() - data.len();
        picture[start - 2..start].copy_from_slice(&[0, low]);
        match refusal(&picture) {
            Some(JpegError::MissingScan) => assert_eq!(damaged, None, "{differences:?}"),
            Some(JpegError::Mean { block }) => assert_eq!(damaged, Some(block), "{differences:?}"),
            result => panic!("{differences:?}: {result:?}"),
        }
    }
}

/// Other data in the place of the second half, without a marker.
#[test]
fn other_data_do_not_replace_blocks() {
    let data = detailed(256);
    let scan = scans(&data)[0].clone();
    let half = &data[..(scan.start + scan.end) / 2];
    let other: Vec<u8> = (0..400_000_u32).map(|i| (i * 7919 % 251) as u8).collect();
    let error = refusal(&[half, &other].concat());
    assert!(matches!(error, Some(JpegError::Mean { .. })), "{error:?}");
}

/// A progressive picture whose last scans are missing, with an EOI.
#[test]
fn an_eoi_does_not_replace_scans() {
    for data in [PROGRESSIVE, PROGRESSIVE_RESTARTS] {
        let scans = scans(data);
        for scan in &scans[..scans.len() - 1] {
            let error = refusal(&[&data[..scan.end], &EOI].concat());
            assert!(matches!(error, Some(JpegError::MissingScan)), "{error:?}");
        }
        // The means of the blocks alone, in full precision.
        let mut means = [&data[..scans[0].end], &EOI].concat();
        means[scans[0].start - 1] = 0;
        let error = refusal(&means);
        assert!(matches!(error, Some(JpegError::MissingScan)), "{error:?}");
    }
}

/// [`PROGRESSIVE`] without those scans of chroma's detail that are in `dropped`, by the bit position of the
/// previous scan of the same coefficients: 0 for the first.
fn without_chroma(dropped: Range<u8>) -> Vec<u8> {
    let mut without = PROGRESSIVE.to_vec();
    for scan in scans(PROGRESSIVE).into_iter().rev() {
        // One component: its identifier, its tables, the first and last coefficient, the bit positions.
        let header = scan.start - 10;
        let [0xFF, 0xDA, 0, 8, 1, component, _, first, _, bits] = PROGRESSIVE[header..scan.start] else {
            continue;
        };
        if component > 1 && first > 0 && dropped.contains(&(bits >> 4)) {
            without.drain(header..scan.end);
        }
    }
    assert!(without.len() < PROGRESSIVE.len());
    without
}

/// Chroma may be flat. An encoder then need not send its detail.
#[test]
fn a_progressive_picture_may_omit_the_detail_of_chroma() {
    let without = without_chroma(0..14);
    assert_eq!(decode(&without).unwrap().width(), 61);
    // Without an EOI, more may have followed.
    let error = refusal(&without[..without.len() - 2]);
    assert!(matches!(error, Some(JpegError::MissingScan)), "{error:?}");
    // What was begun must be refined.
    let error = refusal(&without_chroma(1..14));
    assert!(matches!(error, Some(JpegError::MissingScan)), "{error:?}");
}

/// A scan of a few bytes may describe every block of a large picture, so thousands of them would take
/// minutes.
#[test]
fn the_number_of_scans_is_limited() {
    let all = scans(PROGRESSIVE);
    let first_of_one_component = all.iter().find(|scan| PROGRESSIVE[scan.start - 6] == 1).unwrap();
    let repeated = first_of_one_component.start - 10..first_of_one_component.end;
    let with_scans = |count: usize| {
        let more = PROGRESSIVE[repeated.clone()].repeat(count - all.len());
        [
            &PROGRESSIVE[..repeated.start],
            &more,
            &PROGRESSIVE[repeated.start..],
        ]
        .concat()
    };
    let error = refusal(&with_scans(101));
    assert!(matches!(error, Some(JpegError::ManyScans)), "{error:?}");
    let error = refusal(&with_scans(100));
    assert!(!matches!(error, Some(JpegError::ManyScans)), "{error:?}");
}
