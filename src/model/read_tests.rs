//! Which manifests are accepted, and how others are rejected.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::Origin;

const WHOLE: &str = r#"format = 1
kind = "expression"
name = "m"
version = "0.1.0"
licence = "MIT"
provenance = "a test"
task = "combined"
precision = "int8-weights"
va = "projected"
[file]
path = "m.onnx"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[input]
width = 64
height = 48
layout = "nchw"
colour = "rgb"
mean = [0.5, 0.5, 0]
std = [0.25, 0.25, 1]
margin = 0.1
align = "roll"
[output]
categories = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
logits = [0, 1, 2, 3, 4, 5, 6]
valence = 7
arousal = 8
temperature = 1.2
[golden]
path = "m.golden"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
count = 2
tolerance = 0.02
[measured]
dataset = "FER+ validation"
runtime = "affectd 0.1.0"
accuracy = 0.72
n = 3579
"#;

fn parse(text: &str) -> Result<Manifest, Diagnostic> {
    Manifest::parse(Path::new("models/m.toml"), text)
}

/// The diagnostic for [`WHOLE`] with one text replaced: line, key, found, allowed.
fn refusal(from: &str, to: &str) -> (usize, String, String, String) {
    assert!(WHOLE.contains(from), "{from}");
    match parse(&WHOLE.replacen(from, to, 1)) {
        Err(diagnostic) => {
            let Origin::File(path, line) = diagnostic.origin else {
                panic!("{diagnostic}")
            };
            assert_eq!(path, Path::new("models/m.toml"));
            (line, diagnostic.key, diagnostic.found, diagnostic.allowed)
        }
        Ok(manifest) => panic!("{from} -> {to}: {manifest:?}"),
    }
}

#[test]
fn a_whole_manifest() {
    let manifest = parse(WHOLE).unwrap();
    assert_eq!(manifest.file, Path::new("models/m.onnx"));
    assert_eq!(manifest.input.shape(), [1, 3, 48, 64]);
    assert_eq!(manifest.input.mean, [0.5, 0.5, 0.0]);
    assert_eq!(manifest.golden.as_ref().unwrap().count, 2);
    let expression = manifest.expression().unwrap();
    assert_eq!(expression.logits.len(), 7);
    assert_eq!(expression.logits[6], (Category::Neutral, 6));
    assert_eq!(
        expression.valence_arousal,
        Some(ValenceArousal {
            valence: 7,
            arousal: 8,
            origin: VaOrigin::Projected
        })
    );
    assert_eq!(expression.measured.as_ref().unwrap().accuracy, Some(0.72));
    assert_eq!(expression.measured.as_ref().unwrap().va_ccc, None);
    assert!(!expression.crop.mirror);
    let mirrored = parse(&WHOLE.replacen("align", "mirror = true\nalign", 1)).unwrap();
    assert!(mirrored.expression().unwrap().crop.mirror);
    assert!(matches!(manifest.detector(), Err(ModelError::Kind { .. })));
}

#[test]
fn the_origin_of_valence_and_arousal_is_one_of_three() {
    for (name, origin) in [
        ("annotated", VaOrigin::Annotated),
        ("fitted", VaOrigin::Fitted),
        ("projected", VaOrigin::Projected),
    ] {
        let manifest = parse(&WHOLE.replacen("\"projected\"", &format!("\"{name}\""), 1)).unwrap();
        let found = manifest.expression().unwrap().va_origin();
        assert_eq!((found, found.name()), (origin, name));
    }
    let (_, key, found, allowed) = refusal("va = \"projected\"", "va = \"guessed\"");
    assert_eq!((key.as_str(), found.as_str()), ("va", "\"guessed\""));
    assert_eq!(allowed, "\"annotated\", \"fitted\", \"projected\"");
}

#[test]
fn refusals_name_line_key_found_and_allowed() {
    let (line, key, found, allowed) = refusal("width = 64", "width = 6400");
    assert_eq!((line, key.as_str(), found.as_str()), (14, "input.width", "6400"));
    assert_eq!(allowed, "a whole number from 8 to 4096");

    let (line, key, found, _) = refusal("width = 64", "width = \"64\"");
    assert_eq!(
        (line, key.as_str(), found.as_str()),
        (14, "input.width", "\"64\"")
    );

    let (line, key, found, allowed) = refusal("margin = 0.1", "margin = 0.1\nmargins = 2");
    assert_eq!(
        (line, key.as_str(), found.as_str()),
        (21, "input.margins", "an unknown key")
    );
    assert!(allowed.contains("margin"));

    let (line, key, found, _) = refusal("height = 48\n", "");
    assert_eq!(
        (line, key.as_str(), found.as_str()),
        (13, "input.height", "nothing")
    );

    let (line, key, found, allowed) = refusal("\"fear\"", "\"afraid\"");
    assert_eq!(
        (line, key.as_str(), found.as_str()),
        (23, "output.categories", "\"afraid\"")
    );
    assert!(allowed.contains("contempt"));
}

#[test]
fn every_wrong_value_is_refused_at_its_key() {
    for (from, to, at) in [
        ("format = 1", "format = 2", "format"),
        ("\"expression\"", "\"music\"", "kind"),
        ("\"m\"", "\"n\"", "name"),
        ("\"0.1.0\"", "\" \"", "version"),
        ("\"m.onnx\"", "\"../m.onnx\"", "file.path"),
        ("\"m.onnx\"", "\"/m.onnx\"", "file.path"),
        ("\"m.onnx\"", "\"\"", "file.path"),
        ("sha256 = \"ba", "sha256 = \"xx", "file.sha256"),
        ("\"int8-weights\"", "\"int8\"", "precision"),
        ("va = \"projected\"", "va = \"none\"", "va"),
        ("\"nchw\"", "\"chw\"", "input.layout"),
        ("\"rgb\"", "\"gray\"", "input.mean"),
        ("0.25, 0.25, 1]", "0.25, 0, 1]", "input.std"),
        ("margin = 0.1", "margin = nan", "input.margin"),
        ("align = \"roll\"", "align = \"roll\"\nmirror = 1", "input.mirror"),
        ("\"neutral\"]", "\"anger\"]", "output.categories"),
        (", \"surprise\", \"neutral\"", "", "output.categories"),
        ("5, 6]", "5]", "output.logits"),
        ("5, 6]", "5, 5]", "output.logits"),
        ("5, 6]", "5, -1]", "output.logits"),
        ("valence = 7", "valence = 6", "output.valence"),
        ("valence = 7", "valence = 8", "output.arousal"),
        ("temperature = 1.2", "temperature = 0", "output.temperature"),
        ("\"combined\"", "\"categories\"", "output.arousal"),
        ("\"combined\"", "\"valence-arousal\"", "output.categories"),
        ("va = \"projected\"", "", "va"),
        ("count = 2", "count = 0", "golden.count"),
        ("tolerance = 0.02", "tolerance = inf", "golden.tolerance"),
        ("accuracy = 0.72", "accuracy = 72", "measured.accuracy"),
        ("[golden]", "[gold]", "golden"),
        (
            "task = \"combined\"",
            "task = \"combined\"\ndecoder = \"yunet\"",
            "decoder",
        ),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        // A task without valence and arousal has no `va` either.
        let text = if to == "\"categories\"" {
            text.replacen("va = \"projected\"\n", "", 1)
        } else {
            text
        };
        match parse(&text) {
            Err(diagnostic) => assert_eq!(diagnostic.key, at, "{from} -> {to}"),
            Ok(manifest) => panic!("{from} -> {to}: {manifest:?}"),
        }
    }
}

#[test]
fn a_detector_has_no_crop_and_needs_no_golden_vectors() {
    let text = r#"format = 1
kind = "detector"
name = "m"
version = "1"
licence = "MIT"
provenance = "a test"
decoder = "centerface"
[file]
path = "m.onnx"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
[input]
width = 320
height = 256
layout = "nchw"
colour = "bgr"
mean = [0, 0, 0]
std = [1, 1, 1]
"#;
    let manifest = parse(text).unwrap();
    assert_eq!(manifest.detector().unwrap().decoder, Decoder::CenterFace);
    assert!(manifest.golden.is_none());
    assert!(parse(&format!("{text}margin = 0\n")).is_err());
    assert!(matches!(manifest.expression(), Err(ModelError::Kind { .. })));
}

#[test]
fn invalid_toml_is_refused_with_its_line() {
    let diagnostic = parse("format = 1\nkind = \n").unwrap_err();
    assert_eq!(diagnostic.origin, Origin::File("models/m.toml".into(), 2));
    assert!(diagnostic.found.starts_with("invalid TOML ("), "{diagnostic}");
}

#[test]
fn a_model_of_categories_alone_has_no_valence_and_arousal() {
    let text =
        WHOLE
            .replacen("\"combined\"", "\"categories\"", 1)
            .replacen("valence = 7\narousal = 8\n", "", 1);
    for va in ["", "va = \"none\"\n"] {
        let manifest = parse(&text.replacen("va = \"projected\"\n", va, 1)).unwrap();
        let expression = manifest.expression().unwrap();
        assert_eq!(expression.valence_arousal, None);
        assert_eq!(expression.va_origin().name(), "none");
    }
    assert_eq!(parse(&text).unwrap_err().key, "va");
}

#[test]
fn unsafe_and_overlong_texts_are_refused() {
    for (from, to, key) in [
        ("version = \"0.1.0\"", "version = \"\\u001b[2J\"", "version"),
        ("licence = \"MIT\"", "licence = \"MIT\\r\"", "licence"),
        (
            "provenance = \"a test\"",
            "provenance = \"\\u202etset\"",
            "provenance",
        ),
        ("\"FER+ validation\"", "\"\\u009b31m\"", "measured.dataset"),
    ] {
        let (_, found_key, found, _) = refusal(from, to);
        assert_eq!(found_key, key);
        assert!(!found.contains(crate::text::is_unsafe), "{found:?}");
    }
    let (_, key, ..) = refusal("\"a test\"", &format!("\"{}\"", "x".repeat(2001)));
    assert_eq!(key, "provenance");
}
