//! The luma grid of each format.

use super::*;

/// Limited range is stretched by 255 / 219 when it is decoded; the grid only subtracts the black level.
#[test]
fn the_luma_grid_shows_the_luma_of_every_format() {
    for format in PixelFormat::ALL {
        let frame = if format == PixelFormat::Mjpeg {
            mjpeg(jpeg(16, 24))
        } else {
            bars(format, 16, 24, 6)
        };
        let mut luma = LumaGrid::default();
        Decoder::new().measure(&frame, &mut luma).unwrap();
        assert_eq!(
            (luma.width(), luma.height(), luma.columns()),
            (128, 24, 16),
            "{format}"
        );
        for (index, &cell) in luma.cells().iter().enumerate() {
            let ([r, g, b], [y, ..]) = BARS[index % 16 / 2];
            let expected = match format {
                // For RGB, the green channel is used.
                PixelFormat::Rgb3 | PixelFormat::Bgr3 => f32::from(g),
                PixelFormat::Grey => f32::from(y),
                PixelFormat::Mjpeg => 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b),
                _ => f32::from(y) - 16.0,
            };
            let found = f32::from(cell) / 8.0;
            assert!(
                (found - expected).abs() < 3.0,
                "{format} {index}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn the_luma_grid_of_odd_sizes_and_of_large_frames() {
    for (width, height) in [(1, 1), (9, 17), (131, 3), (1300, 20)] {
        for format in PixelFormat::ALL {
            if format == PixelFormat::Mjpeg {
                continue;
            }
            let stride = format.row_bytes(width) as u32;
            let frame = Frame {
                data: vec![100; format.frame_bytes(width, height, stride as usize)],
                format,
                width,
                height,
                stride,
                ..Frame::default()
            };
            let mut luma = LumaGrid::default();
            Decoder::new().measure(&frame, &mut luma).unwrap();
            let limited = matches!(format, PixelFormat::Yuyv | PixelFormat::Nv12 | PixelFormat::Yu12);
            let expected = if limited { 84 * 8 } else { 100 * 8 };
            assert!(
                luma.cells().iter().all(|&cell| cell == expected),
                "{format} {width}x{height}"
            );
        }
    }
}
