//! Shared parts of the engines' programs: command line, input, and the protocol with the driver.
//!
//! ```text
//! peer-… ENGINE MODEL THREADS [--input FILE] [--runs N] [--size WIDTHxHEIGHT]
//! ```
//!
//! `--size` replaces the last two axes of the input's shape if they are dynamic in the file.
//! With `--runs` the network is run N times, and the time per face of each run is printed in nanoseconds.
//! Without it, the program prints `ready` once the network is loaded and then answers lines on standard
//! input: `run N` with N times in one line, `output` with the output values of the last run.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

/// A loaded network with one input.
pub trait Engine {
    /// Number of elements of the input.
    fn input_len(&self) -> usize;

    /// Number of faces that are run at the same time.
    fn faces(&self) -> u32 {
        1
    }

    /// Runs the network once on each face (all are identical) and returns the outputs of one face,
    /// concatenated.
    ///
    /// # Errors
    /// An error of the engine.
    fn run(&mut self, input: &[f32]) -> anyhow::Result<Vec<f32>>;
}

/// Command-line arguments.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The engine and its mode.
    pub engine: String,
    /// The ONNX file.
    pub model: PathBuf,
    /// Number of threads per run.
    pub threads: usize,
    /// Width and height of the input if they are dynamic in the file.
    pub size: Option<(usize, usize)>,
    input: Option<PathBuf>,
    runs: Option<usize>,
}

impl Arguments {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    /// States what is wrong and what is allowed.
    pub fn read() -> anyhow::Result<Self> {
        let (mut positions, mut input, mut runs, mut size) = (Vec::new(), None, None, None);
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--input" => input = Some(PathBuf::from(value()?)),
                "--runs" => runs = Some(value()?.parse().context("--runs needs a whole number")?),
                "--size" => size = Some(parse_size(&value()?)?),
                _ => positions.push(argument),
            }
        }
        let Ok([engine, model, threads]) = <[String; 3]>::try_from(positions) else {
            bail!("the arguments are ENGINE MODEL THREADS [--input FILE] [--runs N] [--size WIDTHxHEIGHT]");
        };
        let threads = threads.parse().context("THREADS must be a whole number")?;
        ensure!(threads > 0, "THREADS is 0, and must be 1 or more");
        Ok(Self {
            engine,
            model: model.into(),
            threads,
            size,
            input,
            runs,
        })
    }
}

fn parse_size(text: &str) -> anyhow::Result<(usize, usize)> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.with_context(|| format!("--size is {text:?}, and must be WIDTHxHEIGHT"))
}

/// Runs the network according to the arguments.
///
/// # Errors
/// A missing or short input, an unknown request, or an error of the engine.
pub fn serve(arguments: &Arguments, engine: &mut dyn Engine) -> anyhow::Result<()> {
    let input = match &arguments.input {
        Some(path) => read_input(path)?,
        None => (0..engine.input_len()).map(|n| (n as f32 * 0.7).sin()).collect(),
    };
    ensure!(
        input.len() == engine.input_len(),
        "the input has {} numbers, and must have {}",
        input.len(),
        engine.input_len()
    );
    let mut output = Vec::new();
    if let Some(runs) = arguments.runs {
        for _ in 0..runs {
            println!("{}", run(engine, &input, &mut output)?.as_nanos());
        }
        return Ok(());
    }
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut answer = String::new();
        match line.split_once(' ') {
            Some(("run", count)) => {
                for _ in 0..count
                    .parse::<usize>()
                    .context("after `run` comes a whole number")?
                {
                    write!(answer, "{} ", run(engine, &input, &mut output)?.as_nanos())?;
                }
            }
            None if line == "output" => {
                for number in &output {
                    write!(answer, "{number} ")?;
                }
            }
            _ => bail!("the request is {line:?}; allowed are `run N` and `output`"),
        }
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

fn run(engine: &mut dyn Engine, input: &[f32], output: &mut Vec<f32>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    *output = engine.run(input)?;
    Ok(start.elapsed() / engine.faces())
}

/// Reads little-endian floats.
fn read_input(path: &std::path::Path) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (floats, rest) = bytes.as_chunks();
    ensure!(rest.is_empty(), "{} does not hold whole floats", path.display());
    Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
