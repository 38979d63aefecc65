//! `affectd bench`: what each stage of a frame's way takes on this machine.
//!
//! The bundled clip goes through decoding and sensing in one thread, as fast as the machine can, while the frames'
//! own clock goes on at the camera's rate: so the searches and classifications happen as often as they would in
//! `run`, and nothing waits.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    budgets::{Comparison, Figure},
    clip,
    player::Player,
    sustained::{Course, Sample, Steadiness},
    table,
};
use crate::{
    capture::{Decoder, PixelFormat},
    config::Settings,
    error::{Exit, Failure},
    health::{Board, Machine, Stage, StageTimes, Summary},
    picture::Picture,
    sense::Sensor,
};

/// Rate of the frames' own clock, a common camera's.
const CAMERA_RATE: f32 = 15.0;

/// The layouts that cameras deliver most, cheapest decoding first.
const LAYOUTS: [PixelFormat; 2] = [PixelFormat::Yuyv, PixelFormat::Mjpeg];

/// The figures for one layout.
struct Outcome {
    layout: PixelFormat,
    frames: u64,
    /// Spent on the frames, without making them.
    busy: Duration,
    /// Spent inside the networks.
    networks: Duration,
    stages: Vec<(Stage, Summary)>,
    course: Vec<Sample>,
}

impl Outcome {
    /// Share of the line's time outside the networks, 0 to 1.
    fn outside(&self) -> f64 {
        1.0 - self.networks.as_secs_f64() / self.busy.as_secs_f64()
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.busy.as_secs_f64()
    }
}

/// Measures for `seconds` with each layout, compares with the board's budget, and writes text or one JSON object to `out`.
///
/// # Errors
/// [`Failure`] when a network fails or `out` cannot be written.
pub fn bench(
    settings: &Settings,
    mut sensor: Sensor,
    seconds: f32,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let software = |error: anyhow::Error| Failure::new(Exit::Software, error);
    let mut outcomes = Vec::new();
    let mut camera = Duration::ZERO;
    for layout in LAYOUTS {
        // Once through every network fills caches and buffers.
        measure(&mut sensor, layout, Duration::ZERO, &mut camera).map_err(software)?;
        let time = Duration::from_secs_f32(seconds);
        outcomes.push(measure(&mut sensor, layout, time, &mut camera).map_err(software)?);
    }
    let machine = Machine::read();
    let board = Board::read();
    let budget = Comparison::new(&machine, settings, &figures(&outcomes, board)).map_err(software)?;
    let written = if json {
        write_json(out, &outcomes, &machine, board, &budget)
    } else {
        write_text(out, &outcomes, &machine, board, &budget)
    };
    written.map_err(|error| software(error.into()))
}

/// The stages that run one.
const NETWORKS: [Stage; 3] = [Stage::Detect, Stage::Follow, Stage::Classify];

/// Plays the clip round and round for `time`, but at least until every network has run or all of it was played: a frame may take seconds
/// where a processor is emulated. `camera` is the frames' own clock.
fn measure(
    sensor: &mut Sensor,
    layout: PixelFormat,
    time: Duration,
    camera: &mut Duration,
) -> anyhow::Result<Outcome> {
    let mut player = Player::new(layout);
    let mut decoder = Decoder::default();
    let mut picture = Picture::default();
    let mut times = StageTimes::new(Duration::MAX);
    let progress = progress(layout, time);
    let networks_before = sensor.network_time();
    let start = Instant::now();
    let mut busy = Duration::ZERO;
    let mut course = Course::start();
    let mut count = 0_u64;
    'playing: loop {
        for _ in 0..player.pictures() {
            *camera += Duration::from_secs_f32(1.0 / CAMERA_RATE);
            let frame = player.next()?;
            let begun = Instant::now();
            decoder.decode(frame, &mut picture)?;
            times.record(Duration::ZERO, Stage::Decode, begun.elapsed());
            let mut last = Instant::now();
            sensor.sense(&picture, *camera, &mut |stage| {
                let now = Instant::now();
                times.record(Duration::ZERO, stage, now - last);
                last = now;
            })?;
            let took = begun.elapsed();
            times.record(Duration::ZERO, Stage::Total, took);
            busy += took;
            count += 1;
            let whole = count >= player.pictures() as u64
                || NETWORKS
                    .iter()
                    .all(|stage| times.summary(Duration::ZERO, *stage).is_some());
            if whole && start.elapsed() >= time {
                break 'playing;
            }
        }
        // After whole rounds of the clip, so that every sample has seen the same.
        course.tick(count, busy);
        progress.set_position(start.elapsed().as_millis() as u64);
    }
    progress.finish_and_clear();
    let networks = sensor.network_time() - networks_before;
    let stages = Stage::ALL
        .into_iter()
        .filter_map(|s| Some((s, times.summary(Duration::ZERO, s)?)))
        .collect();
    Ok(Outcome {
        layout,
        frames: count,
        busy,
        networks,
        stages,
        course: course.samples().to_vec(),
    })
}

fn progress(layout: PixelFormat, time: Duration) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(time.as_millis() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(layout.to_string());
    bar
}

/// What has a budget: the slower layout's, and the hotter course's.
fn figures(outcomes: &[Outcome], board: Board) -> Vec<(Figure, f64)> {
    let mut figures = Vec::new();
    for (figure, stage) in [
        (Figure::Detect, Stage::Detect),
        (Figure::Follow, Stage::Follow),
        (Figure::Classify, Stage::Classify),
        (Figure::Frame, Stage::Total),
    ] {
        let of = |outcome: &Outcome| {
            outcome
                .stages
                .iter()
                .find(|(s, _)| *s == stage)
                .map(|(_, s)| s.p50)
        };
        let slowest = outcomes.iter().filter_map(of).max();
        figures.extend(slowest.map(|time| (figure, table::milliseconds(time))));
    }
    let megabytes = board.peak_rss_bytes.map(|bytes| bytes as f64 / 1e6);
    figures.extend(megabytes.map(|megabytes| (Figure::Rss, megabytes)));
    let steady = || {
        outcomes
            .iter()
            .filter_map(|outcome| Steadiness::of(&outcome.course))
    };
    let sustained = steady().map(|steady| steady.sustained).reduce(f64::min);
    figures.extend(sustained.map(|share| (Figure::Sustained, share)));
    let hottest = steady().filter_map(|steady| steady.hottest_c).reduce(f32::max);
    figures.extend(hottest.map(|degrees| (Figure::Temperature, f64::from(degrees))));
    figures
}

fn write_text(
    out: &mut dyn Write,
    outcomes: &[Outcome],
    machine: &Machine,
    board: Board,
    budget: &Result<Comparison, String>,
) -> io::Result<()> {
    writeln!(
        out,
        "{}, {}, {} cores\n",
        machine.model.as_deref().unwrap_or("unknown machine"),
        machine.arch,
        machine.cores
    )?;
    for outcome in outcomes {
        writeln!(
            out,
            "{} {}x{}: {} frames, {:.1} frames/s in one thread, {:.1} % of the time outside the networks",
            outcome.layout,
            clip::SIZE.0,
            clip::SIZE.1,
            outcome.frames,
            outcome.frames_per_second(),
            outcome.outside() * 100.0
        )?;
        table::stages(out, &outcome.stages)?;
        if let Some(steady) = Steadiness::of(&outcome.course) {
            writeln!(out, "{}", steady)?;
        }
        writeln!(out)?;
    }
    let megabytes = |bytes: Option<u64>| bytes.unwrap_or(0) as f64 / 1e6;
    writeln!(
        out,
        "RSS {:.0} MB, at most {:.0} MB",
        megabytes(board.rss_bytes),
        megabytes(board.peak_rss_bytes)
    )?;
    match budget {
        Ok(comparison) => comparison.text(out),
        Err(why) => writeln!(out, "{why}"),
    }
}

fn write_json(
    out: &mut dyn Write,
    outcomes: &[Outcome],
    machine: &Machine,
    board: Board,
    budget: &Result<Comparison, String>,
) -> io::Result<()> {
    let runs: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "format": outcome.layout.to_string(),
                "width": clip::SIZE.0,
                "height": clip::SIZE.1,
                "frames": outcome.frames,
                "seconds": outcome.busy.as_secs_f64(),
                "fps": outcome.frames_per_second(),
                "outside_networks": outcome.outside(),
                "stages": table::json(&outcome.stages),
                "course": outcome.course,
                "steadiness": Steadiness::of(&outcome.course),
            })
        })
        .collect();
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "rss_bytes": board.rss_bytes,
        "peak_rss_bytes": board.peak_rss_bytes,
        "board": { "temperature_c": board.temperature_c, "throttled": board.throttled },
        "runs": runs,
        "budget": budget.as_ref().ok(),
        "no_budget": budget.as_ref().err(),
    });
    writeln!(out, "{object}")
}
