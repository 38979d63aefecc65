//! Load generator of `make test-fleet`: devices that publish with the daemon's own code, without camera and
//! networks.
//!
//!     fleet HOST:PORT DEVICES [SECTION.NAME=VALUE...]
//!
//! Each device is a thread with its own connection, as in the daemon. A face comes into view every
//! [`device::PERIOD`] and stays for [`device::STAY`]. Once a second, the generator prints how many devices
//! the broker has accepted, and what was published and consumed so far. It exits when its standard input is
//! closed.
#![allow(clippy::unwrap_used)]

mod device;

use std::{
    env,
    io::{self, Read as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use affectd::{
    clock::SystemClock,
    config::{Override, Settings, Sources, load},
    health::Board,
};
use device::Device;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Frame interval of a device, shorter than that of states at any default rate.
const FRAME: Duration = Duration::from_millis(250);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [broker, count, settings @ ..] = arguments.as_slice() else {
        panic!("usage: fleet HOST[,HOST...]:PORT DEVICES [SECTION.NAME=VALUE...]");
    };
    let settings = settings_of(broker, settings);
    let count: usize = count.parse().unwrap();
    allow_many_files();
    let is_running = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&is_running);
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        flag.store(false, Ordering::Relaxed);
    });

    let clock = Arc::new(SystemClock::new());
    let mut devices: Vec<Device> = Vec::with_capacity(count);
    let start = Instant::now();
    let mut printed = Duration::ZERO;
    let mut round = 0;
    while is_running.load(Ordering::Relaxed) {
        // A few at a time, because boards are not switched on simultaneously either.
        for index in devices.len()..count.min(devices.len() + 25) {
            devices.push(Device::start(&settings, index, Arc::clone(&clock)));
        }
        for device in &mut devices {
            device.frame();
        }
        if start.elapsed() - printed >= Duration::from_secs(1) {
            printed = start.elapsed();
            print(&devices);
        }
        round += 1;
        thread::sleep((FRAME * round).saturating_sub(start.elapsed()));
    }
    print(&devices);
    // All devices disconnect in parallel.
    let stopping: Vec<_> = devices
        .into_iter()
        .map(|device| thread::spawn(|| device.stop()))
        .collect();
    for thread in stopping {
        thread.join().unwrap();
    }
}

fn settings_of(broker: &str, overrides: &[String]) -> Settings {
    let (hosts, port) = broker.rsplit_once(':').unwrap();
    let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
    let overrides = [format!("mqtt.host={}", hosts[0]), format!("mqtt.port={port}")]
        .into_iter()
        .chain(overrides.iter().cloned());
    let options = overrides
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            Override {
                option: "--set".to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            }
        })
        .collect();
    let sources = Sources {
        file: Some(PathBuf::from("/dev/null")),
        options,
        ..Sources::default()
    };
    let mut settings = load(&sources).unwrap().settings;
    settings.mqtt.host = hosts;
    settings
}

/// A device has six open files.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn print(devices: &[Device]) {
    let accepted = devices.iter().filter(|device| device.is_accepted()).count();
    let visits: u64 = devices.iter().map(Device::visits).sum();
    let memory = Board::read().rss_bytes.unwrap_or_default();
    println!(
        r#"{{"devices":{},"accepted":{accepted},"visits":{visits},"rss_bytes":{memory},"cpu_seconds":{:.2}}}"#,
        devices.len(),
        cpu_time().as_secs_f64(),
    );
}

/// Processor time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
