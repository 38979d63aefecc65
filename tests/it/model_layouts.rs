//! Output layouts of user-supplied models, described by their manifest alone.

use std::{fs, path::Path};

use affectd::{
    category::Category,
    model::{Manifest, Registry},
    picture::Picture,
    sense::{engine::NetworkClassifier, face::Prediction},
};
use affectd_infer::{Arithmetic, Network};

/// EmotiEffLib's layout with random weights: the operators of an EfficientNet, a dynamic batch size, eight
/// logits in alphabetical order, then valence and arousal, inputs from -1 to 1.
const NAME: &str = "tiny-emotiefflib";

/// Two uniform colours, so that scaling to the network's input size has no effect.
const COLOURS: [[u8; 3]; 2] = [[250, 20, 110], [5, 200, 60]];

fn manifest() -> Manifest {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    Registry::open(&folder).unwrap().find(NAME).unwrap()
}

fn predict(manifest: &Manifest, colour: [u8; 3]) -> Prediction {
    let mut picture = Picture::default();
    for pixel in picture.reset(20, 20).chunks_exact_mut(3) {
        pixel.copy_from_slice(&colour);
    }
    NetworkClassifier::open(manifest)
        .unwrap()
        .classify_whole(&picture)
        .unwrap()
        .prediction
}

/// The network's ten outputs for a uniform colour, normalized as in EmotiEffLib.
fn raw(colour: [u8; 3]) -> Vec<f32> {
    let manifest = manifest();
    let mut network = Network::load(&manifest.file, &[1, 3, 16, 16], Arithmetic::Floats).unwrap();
    network
        .run(
            |input| {
                for (plane, value) in input.chunks_exact_mut(16 * 16).zip(colour) {
                    plane.fill((f32::from(value) / 255.0 - 0.5) / 0.5);
                }
            },
            |outputs| outputs[0].data.to_vec(),
        )
        .unwrap()
}

/// Compares a prediction with logits in the order of `names`; other categories must have no probability.
fn assert_predicts(prediction: &Prediction, names: &[Category], logits: &[f32], valence: f32, arousal: f32) {
    let probabilities = prediction.probabilities.unwrap();
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
    let mut expected = [0.0; 8];
    for (category, logit) in names.iter().zip(logits) {
        expected[*category as usize] = logit.exp() / sum;
    }
    for (found, expected) in probabilities.to_array().into_iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5,
            "{probabilities:?} instead of {expected:?}"
        );
    }
    assert!((prediction.valence.unwrap() - valence.clamp(-1.0, 1.0)).abs() < 1e-5);
    assert!((prediction.arousal.unwrap() - arousal.clamp(-1.0, 1.0)).abs() < 1e-5);
}

#[test]
fn emotiefflib_has_its_own_order_and_normalization() {
    let order = [
        Category::Anger,
        Category::Contempt,
        Category::Disgust,
        Category::Fear,
        Category::Happiness,
        Category::Neutral,
        Category::Sadness,
        Category::Surprise,
    ];
    let manifest = manifest();
    let answers = COLOURS.map(raw);
    for (colour, answer) in COLOURS.into_iter().zip(&answers) {
        assert_predicts(
            &predict(&manifest, colour),
            &order,
            &answer[..8],
            answer[8],
            answer[9],
        );
    }
    // The outputs depend on the colour and are all different, so that a wrong order cannot pass.
    assert!((answers[0][8] - answers[1][8]).abs() > 1e-3, "{answers:?}");
    for (index, number) in answers[0].iter().enumerate() {
        assert!(
            answers[0][..index]
                .iter()
                .all(|other| (other - number).abs() > 1e-4)
        );
    }
}

/// The same network read as CAGE's AffectNet-7: seven logits, valence, arousal; the tenth output is unused.
#[test]
fn cage_with_seven_categories_has_no_contempt() {
    let folder = tempfile::tempdir().unwrap();
    let original = manifest();
    let text = fs::read_to_string(&original.path).unwrap();
    let output = text.find("[output]").unwrap();
    let golden = text.find("[golden]").unwrap();
    let cage = r#"[output]
categories = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"]
logits = [0, 1, 2, 3, 4, 5, 6]
valence = 7
arousal = 8
temperature = 1.0

"#;
    let path = folder.path().join(format!("{NAME}.toml"));
    fs::write(&path, [&text[..output], cage, &text[golden..]].concat()).unwrap();
    for file in [&original.file, &original.golden.unwrap().path] {
        fs::copy(file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let manifest = Manifest::read(&path).unwrap();
    for colour in COLOURS {
        let answer = raw(colour);
        let prediction = predict(&manifest, colour);
        assert_predicts(
            &prediction,
            &Category::ALL[..7],
            &answer[..7],
            answer[7],
            answer[8],
        );
        assert_eq!(prediction.probabilities.unwrap().of(Category::Contempt), 0.0);
    }
}
