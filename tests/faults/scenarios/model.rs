//! Damaged model files with correct checksums.

use std::fs;

use crate::{
    lab::{Lab, data},
    runner::{Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[Scenario {
    name: "damaged-models",
    fault: "networks on which the ONNX library panics or loops",
    promise: "exit code 66 with the file's name, within seconds",
    run: damaged_models,
}];

fn damaged_models(lab: &Lab) -> Outcome {
    let mut count = 0;
    let mut slowest = 0.0_f32;
    for folder in fs::read_dir(data("damaged")).unwrap().flatten() {
        let files = fs::read_dir(folder.path()).unwrap().flatten();
        let manifest = files
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .unwrap();
        let name = manifest.file_stem().unwrap().to_string_lossy().into_owned();
        // The daemon also needs the other models.
        let models = lab.path(&folder.file_name().to_string_lossy());
        fs::create_dir(&models).unwrap();
        for source in [data("../../models"), folder.path()] {
            for entry in fs::read_dir(source)
                .unwrap()
                .flatten()
                .filter(|entry| entry.path().is_file())
            {
                fs::copy(entry.path(), models.join(entry.file_name())).unwrap();
            }
        }
        let start = std::time::Instant::now();
        let mut daemon = lab
            .daemon()
            .set(format!("models={}", models.display()))
            .set(format!("expression.model={name}"))
            .start();
        let status = daemon.wait();
        slowest = slowest.max(start.elapsed().as_secs_f32());
        let log = daemon.log();
        assert_eq!(status.code(), Some(66), "{log}");
        let last = log.lines().last().unwrap_or_default();
        assert!(
            last.contains(&format!("{name}.onnx")) && !log.contains("panicked at"),
            "{log}"
        );
        count += 1;
    }
    assert!(count >= 4, "{count} networks");
    Ok(format!("{count} networks, within {slowest:.1} s"))
}
