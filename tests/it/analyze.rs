//! `affectd analyze` on real portraits, with the bundled detector and a tiny expression model.

use crate::common::models;
use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use affectd::{
    capture::read_picture,
    model::Registry,
    picture::Picture,
    sense::{
        alignment::AlignedCrop,
        engine::{NetworkClassifier, NetworkDetector},
        geometry::Point,
        search::all_faces,
    },
};
use serde_json::Value;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn portrait(name: &str) -> PathBuf {
    repository("tests/data/pictures").join(name)
}

fn analyze(models: &Path, arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_affectd"))
        .env("AFFECTD_MODELS", models)
        .args([
            "--set",
            &format!("expression.model={}", models::TINY),
            "--set",
            "detect.model=centerface",
            "analyze",
        ])
        .args(arguments)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Writes both portraits side by side at half size, Hopper on the right.
fn group(path: &Path) {
    let half = |name: &str| {
        let picture = image::open(portrait(name)).unwrap().to_rgb8();
        image::imageops::resize(
            &picture,
            256,
            picture.height() / 2,
            image::imageops::FilterType::Triangle,
        )
    };
    let mut canvas = image::RgbImage::from_pixel(640, 320, image::Rgb([120, 116, 110]));
    image::imageops::overlay(&mut canvas, &half("astronaut.jpg"), 20, 20);
    image::imageops::overlay(&mut canvas, &half("grace_hopper.jpg"), 340, 10);
    canvas.save(path).unwrap();
}

#[test]
fn landmarks_match_the_eyes_of_both_portraits() {
    let folder = models::folder();
    let registry = Registry::open(folder.path()).unwrap();
    let mut detector = NetworkDetector::open(&registry.find("centerface").unwrap(), 0.4).unwrap();
    let mut picture = Picture::default();
    for (name, right_eye, left_eye) in [
        ("astronaut.jpg", (203.0, 101.0), (248.0, 100.0)),
        ("grace_hopper.jpg", (219.0, 191.0), (309.0, 188.0)),
    ] {
        read_picture(&portrait(name), &mut picture).unwrap();
        let faces = all_faces(&mut detector, &picture).unwrap();
        assert_eq!(faces.len(), 1, "{name}: {faces:?}");
        let near = |eye: Point, (x, y): (f32, f32)| (eye.x - x).hypot(eye.y - y) < 10.0;
        assert!(
            near(faces[0].landmarks.right_eye, right_eye),
            "{name}: {:?}",
            faces[0].landmarks
        );
        assert!(
            near(faces[0].landmarks.left_eye, left_eye),
            "{name}: {:?}",
            faces[0].landmarks
        );
    }
}

#[test]
fn a_face_five_metres_away_is_found() {
    let folder = models::folder();
    let registry = Registry::open(folder.path()).unwrap();
    let mut detector = NetworkDetector::open(&registry.find("centerface").unwrap(), 0.4).unwrap();
    // The face is 93 pixels wide in the portrait and 18 here: too small for the full frame, large enough in
    // one of its quarters.
    let portrait = image::open(portrait("astronaut.jpg")).unwrap().to_rgb8();
    let far = image::imageops::resize(&portrait, 100, 100, image::imageops::FilterType::Triangle);
    let mut canvas = image::RgbImage::from_pixel(640, 480, image::Rgb([120, 116, 110]));
    image::imageops::overlay(&mut canvas, &far, 430, 300);
    let mut picture = Picture::default();
    picture.reset(640, 480).copy_from_slice(&canvas);
    let faces = all_faces(&mut detector, &picture).unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    let centre = faces[0].rect.centre();
    assert!((centre.x - 473.8).hypot(centre.y - 323.0) < 5.0, "{faces:?}");
}

/// Colour must not affect the result: detection and classification of the greyscale version agree.
#[test]
fn colour_and_greyscale_give_the_same_result() {
    let registry = Registry::open(&repository("models")).unwrap();
    let mut detector = NetworkDetector::open(&registry.find("centerface").unwrap(), 0.4).unwrap();
    let mut classifier = NetworkClassifier::open(&registry.find("maxvit-ferplus-64").unwrap()).unwrap();
    for name in ["astronaut.jpg", "grace_hopper.jpg"] {
        let mut colour = Picture::default();
        read_picture(&portrait(name), &mut colour).unwrap();
        let (width, height) = (colour.width(), colour.height());
        let mut grey = Picture::default();
        for (to, from) in grey
            .reset(width, height)
            .chunks_exact_mut(3)
            .zip(colour.rgb().chunks_exact(3))
        {
            // ITU-R BT.601, like a camera's luma.
            let luma = 0.299 * f32::from(from[0]) + 0.587 * f32::from(from[1]) + 0.114 * f32::from(from[2]);
            to.fill(luma.round() as u8);
        }
        let mut predict = |picture: &Picture| {
            let faces = all_faces(&mut detector, picture).unwrap();
            assert_eq!(faces.len(), 1, "{name}: {faces:?}");
            let crop = AlignedCrop::fit(&faces[0].landmarks).unwrap();
            classifier.classify(picture, &crop).unwrap().prediction
        };
        let (colour, grey) = (predict(&colour), predict(&grey));
        let pairs = colour
            .probabilities
            .unwrap()
            .to_array()
            .into_iter()
            .zip(grey.probabilities.unwrap().to_array());
        for (colour, grey) in pairs.chain([
            (colour.valence.unwrap(), grey.valence.unwrap()),
            (colour.arousal.unwrap(), grey.arousal.unwrap()),
        ]) {
            // The remaining difference comes from landmarks that differ by less than a pixel.
            assert!(
                (colour - grey).abs() < 0.1,
                "{name}: {colour} in colour, {grey} in grey"
            );
        }
    }
}

#[test]
fn a_group_gives_one_line_per_face_and_a_plain_wall_one_without_a_face() {
    let models = models::folder();
    let folder = tempfile::tempdir().unwrap();
    let (two, none) = (folder.path().join("two.png"), folder.path().join("none.png"));
    group(&two);
    image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x / 4) as u8, (y / 4) as u8, 90]))
        .save(&none)
        .unwrap();
    let output = analyze(models.path(), &[&two, &none]);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines[..2] {
        assert_eq!(line["file"], two.to_str().unwrap());
        assert_eq!(line["faces"], 2);
        let sum: f64 = line["probabilities"]
            .as_object()
            .unwrap()
            .values()
            .map(|p| p.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-3);
        assert!(line["category"].is_string() && line["valence"].is_number() && line["arousal"].is_number());
    }
    let left: Vec<f64> = lines[..2]
        .iter()
        .map(|line| line["box"][0].as_f64().unwrap())
        .collect();
    assert!(
        left.iter().any(|x| *x < 320.0) && left.iter().any(|x| *x > 320.0),
        "{left:?}"
    );
    assert_eq!(
        lines[2],
        serde_json::json!({ "file": none.to_str().unwrap(), "faces": 0 })
    );
}

#[test]
fn an_unreadable_picture_does_not_keep_the_others_from_being_analyzed() {
    let models = models::folder();
    let folder = tempfile::tempdir().unwrap();
    let (broken, missing) = (
        folder.path().join("broken.jpg"),
        folder.path().join("missing.jpg"),
    );
    let bytes = fs::read(portrait("astronaut.jpg")).unwrap();
    fs::write(&broken, &bytes[..300]).unwrap();
    let good = portrait("grace_hopper.jpg");
    let output = analyze(models.path(), &[&broken, &missing, &good]);
    assert_eq!(output.status.code(), Some(66));
    assert_eq!(lines(&output).len(), 1);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("broken.jpg") && errors.contains("missing.jpg"),
        "{errors}"
    );
    assert!(errors.contains("2 of 3 pictures cannot be analyzed"), "{errors}");
}

#[test]
fn annotated_pictures_are_as_large_as_the_originals_and_differ_at_the_face() {
    let models = models::folder();
    let folder = tempfile::tempdir().unwrap();
    let original = portrait("astronaut.jpg");
    let drawn = folder.path().join("drawn.png");
    let output = analyze(models.path(), &[Path::new("--annotate"), &drawn, &original]);
    assert!(output.status.success(), "{output:?}");
    let (before, after) = (
        image::open(&original).unwrap().to_rgb8(),
        image::open(&drawn).unwrap().to_rgb8(),
    );
    assert_eq!(before.dimensions(), after.dimensions());
    let changed: Vec<_> = before
        .enumerate_pixels()
        .filter(|(x, y, p)| *p != after.get_pixel(*x, *y))
        .map(|(x, y, _)| (x, y))
        .collect();
    assert!(!changed.is_empty());
    assert!(
        changed.iter().all(|(x, y)| (120..400).contains(x) && *y < 230),
        "only about the face"
    );

    // One output file cannot hold two pictures.
    let output = analyze(
        models.path(),
        &[Path::new("--annotate"), &drawn, &original, &original],
    );
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_picture_is_never_overwritten_and_another_file_only_with_force() {
    let models = models::folder();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(portrait("astronaut.jpg"), at("shot.jpg")).unwrap();
    fs::copy(portrait("grace_hopper.jpg"), at("shot.png")).unwrap();
    let before = fs::read(at("shot.png")).unwrap();
    let refused = |arguments: &[&Path], named: &str| {
        let output = analyze(models.path(), arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{error}");
        assert!(error.contains(named) && output.stdout.is_empty(), "{error}");
    };
    let (annotate, force) = (Path::new("--annotate"), Path::new("--force"));
    let (jpg, png) = (at("shot.jpg"), at("shot.png"));
    refused(&[annotate, &png, &png], "shot.png is one of the pictures");
    refused(&[force, annotate, &png, &png], "shot.png is one of the pictures");
    refused(
        &[force, annotate, folder.path(), &jpg, &png],
        "shot.png is one of the pictures",
    );
    // A file that is not one of the input pictures.
    refused(&[annotate, folder.path(), &jpg], "shot.png exists");
    assert_eq!(fs::read(&png).unwrap(), before);

    let output = analyze(models.path(), &[force, annotate, folder.path(), &jpg]);
    assert!(output.status.success(), "{output:?}");
    let original = image::open(&jpg).unwrap();
    assert_eq!(image::open(&png).unwrap().width(), original.width());
    assert_ne!(fs::read(&png).unwrap(), before);
}

#[test]
fn names_need_not_be_utf8() {
    let models = models::folder();
    let folder = tempfile::tempdir().unwrap();
    let latin1 = folder.path().join(OsStr::from_bytes(b"caf\xe9.jpg"));
    let last = folder.path().join("z.jpg");
    for path in [&latin1, &last] {
        fs::copy(portrait("astronaut.jpg"), path).unwrap();
    }
    let drawn = folder.path().join("drawn");
    let output = analyze(models.path(), &[Path::new("--annotate"), &drawn, &latin1, &last]);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    assert!(lines[0]["file"].as_str().unwrap().ends_with("caf\u{fffd}.jpg"));
    assert!(lines.iter().all(|line| line["faces"] == 1), "{lines:?}");
    assert!(drawn.join(OsStr::from_bytes(b"caf\xe9.png")).is_file() && drawn.join("z.png").is_file());
}
