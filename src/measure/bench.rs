//! The cost of each processing stage on this machine.
//!
//! A recording is decoded and sensed in one thread as fast as possible, while the clock that timestamps the
//! frames advances at a camera's rate. Detections and classifications are therefore as frequent as in `run`,
//! but nothing waits.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    budgets::{Comparison, Metric, NoBudget},
    player::{Player, Recording},
    sustained::{Sample, SustainedPerformance, Timeline},
    table,
};
use crate::{
    capture::{Decoder, Frame, PixelFormat},
    config::Settings,
    error::{Exit, Failure, Unwritable},
    health::{Board, Machine, Stage, StageTimes, Summary},
    logging::progress,
    luma::LumaGrid,
    picture::Picture,
    sense::{Admission, FrameTime, Sensor},
};
use jiff::civil::Date;
use rustix::time::{ClockId, clock_gettime};

/// Frames per second of the clock that timestamps the frames: the rate of a common camera.
const CAMERA_RATE: f32 = 15.0;

/// The formats that cameras deliver most often, cheapest decoding first.
pub const FORMATS: [PixelFormat; 2] = [PixelFormat::Yuyv, PixelFormat::Mjpeg];

/// The stages that run a network.
const NETWORKS: [Stage; 3] = [Stage::Detect, Stage::Follow, Stage::Classify];

/// What to measure.
#[derive(Debug)]
pub struct Plan {
    /// The recording to play.
    pub recording: Recording,
    /// The pixel formats to measure.
    pub formats: Vec<PixelFormat>,
    /// How long to measure each format.
    pub time: Duration,
    /// Instead of `time`: exactly this many frames, without a warm-up pass.
    pub frames: Option<u64>,
}

/// The measurement of one format.
struct Run {
    format: PixelFormat,
    /// Width and height of the last picture.
    size: (u32, u32),
    frames: u64,
    /// Time spent decoding and sensing, excluding the preparation of frames.
    busy: Duration,
    /// CPU time of the whole process during the run, including the preparation of frames.
    cpu: Duration,
    /// Total number of faces in all frames, and number of frames whose picture was needed.
    faces: u64,
    pictures: u64,
    /// The part of `busy` spent in the networks.
    networks: Duration,
    stages: Vec<(Stage, Summary)>,
    timeline: Vec<Sample>,
}

impl Run {
    /// Share of the time outside the networks, 0 to 1.
    fn outside_networks(&self) -> f64 {
        1.0 - self.networks.as_secs_f64() / self.busy.as_secs_f64()
    }

    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.busy.as_secs_f64()
    }
}

/// Measures each format as planned, compares the results with the board's budget, and writes text or one
/// JSON object to `out`.
///
/// # Errors
/// [`Failure`] if a network fails or `out` cannot be written.
pub fn bench(
    settings: &Settings,
    mut sensor: Sensor,
    plan: &Plan,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let software = |error: anyhow::Error| Failure::new(Exit::Software, error);
    let mut runs = Vec::new();
    let mut camera_clock = Duration::ZERO;
    for &format in &plan.formats {
        let mut measure = |time, frames| {
            let player = Player::new(format, plan.recording.clone());
            measure(&mut sensor, player, time, frames, &mut camera_clock).map_err(software)
        };
        if plan.frames.is_none() {
            // Warm-up: the first pass fills caches and buffers.
            measure(Duration::ZERO, None)?;
        }
        runs.push(measure(plan.time, plan.frames)?);
    }
    let machine = Machine::read();
    let board = Board::read();
    let budget = Comparison::new(&machine, settings, &metrics(&runs, board))
        .map_err(|error| software(error.into()))?;
    if json {
        write_json(out, &runs, &machine, board, &budget)
    } else {
        write_text(out, &runs, &machine, board, &budget)
    }
    .map_err(Unwritable)?;
    Ok(())
}

/// Plays the recording repeatedly for `time`, and at least until every network has run or the recording was
/// played once: on an emulated processor a frame may take seconds. With `frames`, plays exactly that many
/// frames. Advances `camera_clock` by one frame period per frame.
fn measure(
    sensor: &mut Sensor,
    mut player: Player,
    time: Duration,
    frames: Option<u64>,
    camera_clock: &mut Duration,
) -> anyhow::Result<Run> {
    let mut pipeline = TimedPipeline::new();
    let bar = progress(time.as_millis() as u64, "{prefix} {wide_bar} {eta}");
    bar.set_prefix(player.format().to_string());
    let networks_before = sensor.network_time();
    let start = Instant::now();
    let cpu_before = processor_time();
    let (mut faces, mut pictures) = (0, 0);
    let mut busy = Duration::ZERO;
    let mut timeline = Timeline::start();
    let mut count = 0_u64;
    'playing: loop {
        for _ in 0..player.pictures() {
            *camera_clock += Duration::from_secs_f32(1.0 / CAMERA_RATE);
            let frame = player.next_frame()?;
            count += 1;
            let is_last = frames.is_some_and(|frames| count >= frames);
            if sensor.admit(*camera_clock) != Admission::Sense {
                if is_last {
                    break 'playing;
                }
                continue;
            }
            let cost = pipeline.run(sensor, frame, *camera_clock)?;
            busy += cost.took;
            faces += cost.faces;
            pictures += u64::from(cost.is_decoded);
            if is_last {
                break 'playing;
            }
            let complete = count >= player.pictures() as u64
                || NETWORKS.iter().all(|&stage| pipeline.time(stage).is_some());
            if frames.is_none() && complete && start.elapsed() >= time {
                break 'playing;
            }
        }
        // Sample only after whole passes of the clip, so all samples cover the same frames.
        timeline.tick(count, busy);
        bar.set_position(start.elapsed().as_millis() as u64);
    }
    bar.finish_and_clear();
    let stages = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, pipeline.time(stage)?)))
        .collect();
    Ok(Run {
        format: player.format(),
        size: pipeline.size(),
        frames: count,
        busy,
        cpu: processor_time().saturating_sub(cpu_before),
        faces,
        pictures,
        networks: sensor.network_time() - networks_before,
        stages,
        timeline: timeline.into_samples(),
    })
}

/// Decodes and senses frames, and times the stages.
struct TimedPipeline {
    decoder: Decoder,
    luma: LumaGrid,
    picture: Picture,
    times: StageTimes,
}

/// The cost of one frame.
struct FrameCost {
    took: Duration,
    faces: u64,
    is_decoded: bool,
}

impl TimedPipeline {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            luma: LumaGrid::default(),
            picture: Picture::default(),
            times: StageTimes::new(Duration::MAX),
        }
    }

    fn run(&mut self, sensor: &mut Sensor, frame: &Frame, captured: Duration) -> anyhow::Result<FrameCost> {
        let start = Instant::now();
        let picture = self
            .decoder
            .decode_if(frame, &mut self.luma, &mut self.picture, |luma| {
                sensor.observe(luma, captured)
            })?;
        self.times.record(Duration::ZERO, Stage::Decode, start.elapsed());
        let mut last = Instant::now();
        let time = FrameTime {
            captured,
            date: Date::ZERO,
        };
        let report = sensor.sense(picture, time, &mut |stage| {
            let now = Instant::now();
            self.times.record(Duration::ZERO, stage, now - last);
            last = now;
        })?;
        let took = start.elapsed();
        self.times.record(Duration::ZERO, Stage::Total, took);
        Ok(FrameCost {
            took,
            faces: report.faces.len() as u64,
            is_decoded: picture.is_some(),
        })
    }

    /// The times of a stage so far; `None` if it has not run.
    fn time(&mut self, stage: Stage) -> Option<Summary> {
        self.times.summary(Duration::ZERO, stage)
    }

    /// Width and height of the last frame.
    fn size(&self) -> (u32, u32) {
        (self.luma.width(), self.luma.height())
    }
}

/// CPU time of all threads of this process so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Never negative, so both parts fit.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The metrics that have a budget: for each the worst of the runs.
fn metrics(runs: &[Run], board: Board) -> Vec<(Metric, f64)> {
    let mut metrics = Vec::new();
    for (metric, stage) in [
        (Metric::Detect, Stage::Detect),
        (Metric::Follow, Stage::Follow),
        (Metric::Classify, Stage::Classify),
        (Metric::Frame, Stage::Total),
    ] {
        let median = |run: &Run| {
            run.stages
                .iter()
                .find(|(measured, _)| *measured == stage)
                .map(|(_, summary)| summary.p50)
        };
        let slowest = runs.iter().filter_map(median).max();
        metrics.extend(slowest.map(|time| (metric, table::milliseconds(time))));
    }
    let megabytes = board.peak_rss_bytes.map(|bytes| bytes as f64 / 1e6);
    metrics.extend(megabytes.map(|megabytes| (Metric::Rss, megabytes)));
    let sustained = || {
        runs.iter()
            .filter_map(|run| SustainedPerformance::of(&run.timeline))
    };
    let slowest = sustained().map(|run| run.sustained).reduce(f64::min);
    metrics.extend(slowest.map(|share| (Metric::Sustained, share)));
    let hottest = sustained().filter_map(|run| run.hottest_c).reduce(f32::max);
    metrics.extend(hottest.map(|degrees| (Metric::Temperature, f64::from(degrees))));
    metrics
}

fn write_text(
    out: &mut dyn Write,
    runs: &[Run],
    machine: &Machine,
    board: Board,
    budget: &Result<Comparison, NoBudget>,
) -> io::Result<()> {
    writeln!(
        out,
        "{}, {}, {} cores\n",
        machine.model.as_deref().unwrap_or("unknown machine"),
        machine.arch,
        machine.cores
    )?;
    for run in runs {
        writeln!(
            out,
            "{} {}x{}: {} frames, {:.1} frames/s in one thread, {:.1} % of the time outside the networks, {:.0} % of \
             the frames decoded",
            run.format,
            run.size.0,
            run.size.1,
            run.frames,
            run.frames_per_second(),
            run.outside_networks() * 100.0,
            run.pictures as f64 / run.frames as f64 * 100.0
        )?;
        table::stages(out, &run.stages)?;
        if let Some(sustained) = SustainedPerformance::of(&run.timeline) {
            writeln!(out, "{sustained}")?;
        }
        writeln!(out)?;
    }
    let megabytes = |bytes: Option<u64>| bytes.unwrap_or(0) as f64 / 1e6;
    writeln!(
        out,
        "RSS {:.0} MB, peak {:.0} MB",
        megabytes(board.rss_bytes),
        megabytes(board.peak_rss_bytes)
    )?;
    match budget {
        Ok(comparison) => comparison.write_text(out),
        Err(reason) => writeln!(out, "{reason}"),
    }
}

fn write_json(
    out: &mut dyn Write,
    runs: &[Run],
    machine: &Machine,
    board: Board,
    budget: &Result<Comparison, NoBudget>,
) -> io::Result<()> {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "format": run.format.to_string(),
                "width": run.size.0,
                "height": run.size.1,
                "frames": run.frames,
                "pictures": run.pictures,
                "faces": run.faces as f64 / run.frames as f64,
                "cpu_seconds": run.cpu.as_secs_f64(),
                "seconds": run.busy.as_secs_f64(),
                "fps": run.frames_per_second(),
                "outside_networks": run.outside_networks(),
                "stages": table::json(&run.stages),
                "timeline": run.timeline,
                "sustained": SustainedPerformance::of(&run.timeline),
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
        "no_budget": budget.as_ref().err().map(ToString::to_string),
    });
    writeln!(out, "{object}")
}
