//! Load shedding reduces the work.

use crate::common::sensor;
use std::time::Duration;

use affectd::{
    capture::{Decoder, Frame},
    health::Stage,
    luma::LumaGrid,
    measure::clip,
    picture::Picture,
    sense::{Admission, FrameTime},
};

#[test]
fn at_a_quarter_of_the_rate_about_a_quarter_of_the_work_is_done() {
    /// Frames, searches and classifications of the clip, at a fraction of the full rate.
    fn work(rate_fraction: f32) -> [usize; 3] {
        let mut sensor = sensor::sensor().0;
        sensor.set_rate_fraction(rate_fraction);
        let (mut decoder, mut frame) = (Decoder::default(), Frame::default());
        let (mut luma, mut picture) = (LumaGrid::default(), Picture::default());
        let (mut frames, mut searches, mut classifications) = (0, 0, 0);
        for (number, bytes) in (0..).zip(clip::pictures()) {
            let captured = Duration::from_millis(100 * number);
            if sensor.admit(captured) != Admission::Sense {
                continue;
            }
            frames += 1;
            clip::fill(&mut frame, bytes, number, captured);
            decoder.decode(&frame, &mut picture).unwrap();
            let time = FrameTime {
                captured,
                date: jiff::civil::Date::ZERO,
            };
            let mut count = |stage| match stage {
                Stage::Detect => searches += 1,
                Stage::Classify => classifications += 1,
                _ => {}
            };
            // Unknown, so that everything is done at the full rate.
            luma.reset_unknown(640, 480);
            let is_needed = sensor.observe(&luma, captured);
            sensor
                .sense(is_needed.then_some(&picture), time, &mut count)
                .unwrap();
        }
        [frames, searches, classifications]
    }
    let full = work(1.0);
    assert_eq!(full[0], 130, "every frame");
    let quarter = work(0.25);
    // The clip has 10 frames a second; a quarter of the requested 15 is 3.75.
    assert!((47..=50).contains(&quarter[0]), "{quarter:?}");
    for (full, quarter) in full.into_iter().zip(quarter).skip(1) {
        let part = quarter as f32 / full as f32;
        assert!((0.15..0.4).contains(&part), "{full} and {quarter}");
    }
}
