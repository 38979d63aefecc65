//! The environment of a scenario: its own folder, and the parts that it starts there. All of it ends with the
//! scenario.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{broker::Broker, daemon::Setup};

/// Longest wait for a condition. Passing scenarios need a fraction of it.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Lab {
    folder: TempDir,
}

impl Lab {
    pub fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix(&format!("affectd-{name}-"))
            .tempdir()
            .unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Starts a broker that accepts anonymous clients, and a subscriber.
    pub fn broker(&self) -> Broker {
        Broker::start(self, "allow_anonymous true\n")
    }

    /// A daemon to be started, called `lab`; its camera shows a face.
    pub fn daemon(&self) -> Setup<'_> {
        Setup::new(self, "daemon")
    }

    /// A camera program that shows the picture whose path is in the file `picture`, five times a second.
    /// Nothing is shown while the file is empty.
    pub fn camera(&self) -> String {
        self.show("astronaut");
        format!(
            "while :; do read -r picture < {}; test -z \"$picture\" || cat \"$picture\"; sleep 0.2; done",
            self.path("picture").display()
        )
    }

    /// Makes the camera show a picture: `astronaut`, who smiles, `grace_hopper`, who does not, or `wall`.
    pub fn show(&self, picture: &str) {
        // Renamed, so the program never reads a partial path.
        let path = self.write("next-picture", format!("{}\n", self.picture(picture).display()));
        fs::rename(path, self.path("picture")).unwrap();
    }

    /// Path of a picture.
    pub fn picture(&self, name: &str) -> PathBuf {
        if name == "wall" {
            let path = self.path("wall.jpg");
            if !path.exists() {
                let grey = image::RgbImage::from_pixel(512, 512, image::Rgb([120; 3]));
                grey.save(&path).unwrap();
            }
            return path;
        }
        data(&format!("pictures/{name}.jpg"))
    }

    /// The ends of all logs and messages, to diagnose a failure.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.folder.path()).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let content = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
                let lines: Vec<&str> = content.lines().collect();
                let last = lines[lines.len().saturating_sub(25)..]
                    .iter()
                    .map(|line| line.chars().take(300).collect::<String>() + "\n");
                text += &format!("--- {}\n{}", path.display(), last.collect::<String>());
            }
        }
        text
    }
}

/// Path of a file in tests/data.
pub fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

/// Waits until `condition` holds, and returns how long that took.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) -> f32 {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    start.elapsed().as_secs_f32()
}

/// Waits for a time in which something must not happen, or a fault lasts.
pub fn pass(seconds: f32) {
    thread::sleep(Duration::from_secs_f32(seconds));
}

/// Runs a script that must succeed.
pub fn shell(script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{script}\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Whether a program is installed.
pub fn has_program(name: &str) -> bool {
    let search = Command::new("sh")
        .args(["-c", "command -v \"$0\"", name])
        .stdout(Stdio::null())
        .status();
    search.is_ok_and(|status| status.success())
}

/// Ids of the processes whose command line contains `word`.
pub fn processes(word: &str) -> Vec<u32> {
    let holds = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.windows(word.len()).any(|part| part == word.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(holds)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
