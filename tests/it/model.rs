//! `affectd model verify` and `affectd model eval` on the tiny networks of tests/data/models.

use std::{
    fs,
    path::{Path, PathBuf},
};

use affectd::{
    category::Category,
    error::{Exit, Failure},
    measure::{evaluation::eval, verify::verify},
    model::Registry,
    picture::Picture,
    sense::engine::NetworkClassifier,
};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

/// Copies the folder of models.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(models()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn verified(models: &Path, names: &[&str]) -> (Result<(), Failure>, String) {
    let mut out = Vec::new();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let result = verify(models, &names, &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn evaluated(name: &str, csv: &Path, json: bool) -> Result<String, Failure> {
    let mut out = Vec::new();
    eval(&models(), name, csv, json, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// Writes twelve pictures and returns the model's predictions, which serve as the labels of a perfect data
/// set.
fn pictures(folder: &Path, name: &str) -> Vec<(String, Category, f32, f32)> {
    let manifest = Registry::open(&models()).unwrap().find(name).unwrap();
    let mut classifier = NetworkClassifier::open(&manifest).unwrap();
    (0..12_u32)
        .map(|number| {
            let image = image::RgbImage::from_fn(20, 24, |x, y| {
                let wave = |k: u32| ((x * (number + k) + y * (k + 3) * number) * 16 % 256) as u8;
                image::Rgb([wave(1), wave(2), wave(5)])
            });
            let file = format!("{number}.png");
            image.save(folder.join(&file)).unwrap();
            let mut picture = Picture::default();
            picture.reset(20, 24).copy_from_slice(&image);
            let prediction = classifier.classify_whole(&picture).unwrap().prediction;
            let category = prediction
                .probabilities
                .map_or(Category::Neutral, |probabilities| probabilities.argmax().0);
            (
                file,
                category,
                prediction.valence.unwrap_or(0.0),
                prediction.arousal.unwrap_or(0.0),
            )
        })
        .collect()
}

#[test]
fn verify_checks_every_model_of_the_folder() {
    let (result, text) = verified(&models(), &[]);
    result.unwrap();
    let names = ["tiny-combined", "tiny-emotiefflib", "tiny-seven", "tiny-va"];
    // The first line is about the processor.
    assert!(
        text.starts_with("integer products: ") || text.starts_with("floats: "),
        "{text}"
    );
    let findings: Vec<&str> = text
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(findings.len(), names.len(), "{text}");
    for (line, name) in findings.into_iter().zip(names) {
        // 8-bit weights use integer kernels, others f32.
        let difference = if name == "tiny-combined" { "0.00" } else { "0.0000" };
        let verified = format!("2 golden vectors differ by at most {difference}");
        assert!(line.starts_with(name) && line.contains(&verified), "{line}");
        let integers = name == "tiny-combined" && text.starts_with("integer");
        let arithmetic = if integers {
            "-bit integers"
        } else {
            "floating point"
        };
        assert!(line.contains(arithmetic), "{line}");
    }
    let (result, text) = verified(&models(), &["tiny-va"]);
    result.unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn verify_prints_the_measured_figures_and_the_provenance() {
    let folder = copied();
    let manifest = folder.path().join("tiny-combined.toml");
    let measured = "\n[measured]\ndataset = \"FER+ validation\"\nruntime = \"affectd 0.1.0\"\n\
        accuracy = 0.8415\nmacro_f1 = 0.7039\nece = 0.0174\nva_rmse = 0.1396\nva_ccc = 0.9061\nn = 3553\n";
    let text = fs::read_to_string(&manifest).unwrap() + measured;
    fs::write(&manifest, text).unwrap();
    let (result, text) = verified(folder.path(), &["tiny-combined", "tiny-seven"]);
    result.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[2],
        "  accuracy: FER+ validation, n = 3553, affectd 0.1.0; accuracy 84.2 %; macro F1 0.704; ECE 0.017; \
         valence-arousal RMSE 0.140; valence-arousal CCC 0.906"
    );
    assert_eq!(lines[3], "  valence and arousal: projected");
    assert!(lines[4].starts_with("  provenance: "), "{text}");
    assert_eq!(
        lines[6..8],
        ["  accuracy: not measured", "  valence and arousal: none"]
    );
}

#[test]
fn verify_continues_after_a_broken_model_and_then_fails() {
    let folder = copied();
    let broken = folder.path().join("tiny-combined.onnx");
    let mut bytes = fs::read(&broken).unwrap();
    bytes[3000] ^= 1;
    fs::write(&broken, bytes).unwrap();
    let (result, text) = verified(folder.path(), &[]);
    let failure = result.unwrap_err();
    assert_eq!(failure.exit, Exit::Input);
    assert!(
        failure.to_string().contains("tiny-combined.onnx has the SHA-256"),
        "{failure}"
    );
    assert!(text.contains("tiny-combined: FAILED"), "{text}");
    assert_eq!(text.matches("as expected").count(), 3, "{text}");

    let (result, _) = verified(folder.path(), &["nobody"]);
    let failure = result.unwrap_err();
    assert_eq!(failure.exit, Exit::Input);
    assert!(
        failure
            .to_string()
            .contains("tiny-combined, tiny-emotiefflib, tiny-seven, tiny-va"),
        "{failure}"
    );
}

#[test]
fn eval_of_a_combined_model() {
    let folder = tempfile::tempdir().unwrap();
    let labels = pictures(folder.path(), "tiny-combined");
    let mut csv = "path,category,valence,arousal\n".to_owned();
    for (index, (file, category, valence, arousal)) in labels.iter().enumerate() {
        // Change one of the twelve labels.
        let other = if *category == Category::Fear {
            "anger"
        } else {
            "fear"
        };
        let name = if index == 0 { other } else { category.name() };
        csv += &format!("{file},{name},{valence},{arousal}\n");
    }
    let path = folder.path().join("labels.csv");
    fs::write(&path, csv).unwrap();

    let json: serde_json::Value =
        serde_json::from_str(&evaluated("tiny-combined", &path, true).unwrap()).unwrap();
    assert_eq!(json["n"], 12);
    assert!((json["accuracy"].as_f64().unwrap() - 11.0 / 12.0).abs() < 1e-9);
    assert!(json["va_rmse"].as_f64().unwrap() < 1e-6);
    assert!(json["va_ccc"].as_f64().unwrap() > 0.999);
    assert!((0.0..1.0).contains(&json["ece"].as_f64().unwrap()));
    assert!((0.0..1.0).contains(&json["ece_unscaled"].as_f64().unwrap()));
    assert!(json["macro_f1"].as_f64().unwrap() < 1.0);
    let categories = json["categories"].as_array().unwrap();
    let sum = |key: &str| {
        categories
            .iter()
            .map(|category| category[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(sum("n"), 12);
    for category in categories {
        let predicted: u64 = category["predicted"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(category["n"], predicted);
        for key in ["predicted_circumplex", "labelled_circumplex"] {
            let valence = category[key]["valence"].as_f64().unwrap();
            assert!((-1.0..=1.0).contains(&valence), "{category}");
        }
    }

    let report = evaluated("tiny-combined", &path, false).unwrap();
    assert!(
        report.contains("12 pictures") && report.contains("0.9167"),
        "{report}"
    );
    assert!(report.contains("recall"), "{report}");
}

#[test]
fn eval_reports_only_what_model_and_data_provide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    let labels = pictures(folder.path(), "tiny-va");
    let rows: String = labels
        .iter()
        .map(|(file, ..)| format!("{file},neutral\n"))
        .collect();
    fs::write(&path, format!("path,category\n{rows}")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&evaluated("tiny-va", &path, true).unwrap()).unwrap();
    for key in ["accuracy", "macro_f1", "ece", "va_rmse", "va_ccc"] {
        assert!(json[key].is_null(), "{key}");
    }
    assert_eq!(json["n"], 12);
}

#[test]
fn eval_reports_the_invalid_line() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), "tiny-seven");
    fs::write(folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    let path = folder.path().join("labels.csv");
    for (rows, words) in [
        ("0.png,joy\n", [":2", "joy", "happiness"]),
        (
            "0.png,fear\ngone.png,fear\n",
            [":3", "gone.png", "cannot be read"],
        ),
        (
            "0.png,fear\n1.png,fear\nbroken.png,fear\n",
            [":4", "broken.png", "cannot be decoded"],
        ),
    ] {
        fs::write(&path, format!("path,category\n{rows}")).unwrap();
        let failure = evaluated("tiny-seven", &path, true).unwrap_err();
        assert_eq!(failure.exit, Exit::Input);
        let text = failure.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let failure = evaluated("tiny-seven", &folder.path().join("none.csv"), true).unwrap_err();
    assert_eq!(failure.exit, Exit::Input);
}
