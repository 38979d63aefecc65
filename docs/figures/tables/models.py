"""Tables of the models and their cards."""

from tables.common import ROOT, manifests, percent, record, source, table

CATEGORIES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


def stale_manifest() -> list[str]:
    """A line for each figure of the default model's manifest that differs from the record; also printed."""
    result, _ = record("expression/as-it-is")
    manifest = manifests()["maxvit-ferplus-64"]["measured"]
    faults = [
        f"models/maxvit-ferplus-64.toml: {key} = {manifest.get(key)}; measured: {round(result[key], 4)}"
        for key in ("accuracy", "macro_f1", "ece", "n")
        if manifest.get(key) != round(result[key], 4)
    ]
    print(*faults, sep="\n", end="\n" if faults else "")
    return faults


def models() -> str:
    """The bundled models."""
    purposes = {"centerface": "full-frame detection", "blazeface": "detection in search regions"}
    rows = []
    for name, manifest in manifests().items():
        size = (ROOT / "models" / manifest["file"]["path"]).stat().st_size
        purpose = "expression" if manifest["kind"] == "expression" else purposes.get(name, "detection")
        shape = f"{manifest['input']['width']}x{manifest['input']['height']} {manifest['input']['colour']}"
        licence = manifest["licence"].split(";")[0]
        rows.append([name, manifest["version"], purpose, shape, f"{size / 1e6:.1f} MB", licence])
    return table(["model", "version", "purpose", "input", "size", "licence"], rows)


def expression() -> str:
    """Accuracy of the default expression model."""
    result, measured = record("expression/as-it-is")
    intervals = result["intervals"]

    def shares(key: str) -> list[str]:
        low, high = intervals["metrics"][key]
        return [percent(result[key]), f"{percent(low)} to {percent(high)}"]

    def numbers(key: str) -> list[str]:
        low, high = intervals["metrics"][key]
        return [f"{result[key]:.3f}", f"{low:.3f} to {high:.3f}"]

    ceiling = result["ceiling"]
    rows = [
        ["accuracy", *shares("accuracy")],
        [
            f"accuracy, {result['n_majority']:,} faces where more than half agree",
            *shares("accuracy_majority"),
        ],
        ["accuracy, any label with the most votes counts", *shares("accuracy_any_tied")],
        [f"ceiling: ten votes drawn anew, {ceiling['rounds']} draws", percent(ceiling["accuracy"]), ""],
        ["macro F1", *numbers("macro_f1")],
        ["expected calibration error (15 bins)", *numbers("ece")],
        ["the same without the manifest's temperature", *numbers("ece_unscaled")],
    ]
    head = [f"FER+ validation, 8 categories, {result['n']:,} faces", "", f"{intervals['level']:.0%} interval"]
    return table(head, rows) + "\n\n" + source(measured)


def confusion() -> str:
    """Labelled by predicted category."""
    result, measured = record("expression/as-it-is")
    rows = []
    for category in result["categories"]:
        counts = [str(count) for count in category["predicted"]]
        measures = [f"{category[measure]:.2f}" for measure in ("recall", "precision")]
        rows.append([category["category"], *counts, *measures])
    return table(["", *CATEGORIES, "recall", "precision"], rows) + "\n\n" + source(measured)


DEGRADED = {
    "as-it-is": "unchanged",
    "crop-10-tighter": "crop 10 % tighter",
    "margin-10": "margin of 10 %",
    "margin-20": "margin of 20 %",
    "margin-30": "margin of 30 %",
    "margin-40": "margin of 40 %",
    "blur-1": "blur, sigma 1 pixel of 48",
    "blur-2": "blur, sigma 2 pixels of 48",
    "pixels-24": "resolution of 24 pixels",
    "pixels-16": "resolution of 16 pixels",
    "roll--20": "roll of -20°",
    "roll--10": "roll of -10°",
    "roll-10": "roll of 10°",
    "roll-20": "roll of 20°",
}


def degraded() -> str:
    """Accuracy of the default expression model on faces as cameras deliver them."""
    rows = []
    for name, words in DEGRADED.items():
        result, measured = record(f"expression/{name}")
        rows.append(
            [
                words,
                percent(result["accuracy"]),
                f"{result['macro_f1']:.3f}",
                f"{result['ece']:.3f}",
            ]
        )
    return table(["face", "accuracy", "macro F1", "calibration error"], rows) + "\n\n" + source(measured)


CONCORDANCES = {
    "before": "before the fit, the projection of the votes",
    "cross_validated": "the map, ten-fold cross-validated",
    "after": "this file, on the faces that the map was fitted to",
}


def concordance() -> str:
    """How far valence and arousal agree with people's ratings."""
    result, measured = record("ratings")
    shown = {key: words for key, words in CONCORDANCES.items() if key in result["ccc"]}
    rows = [[words, *(f"{value:.2f}" for value in result["ccc"][key])] for key, words in shown.items()]
    head = [f"CCC with the ratings of {result['rated_faces']} faces", "valence", "arousal"]
    return table(head, rows) + "\n\n" + source(measured)


def va_map() -> str:
    """Valence and arousal of each category."""
    result, measured = record("ratings")
    rows = [[name, *(f"{value:+.2f}" for value in values)] for name, values in result["map"].items()]
    return table(["category", "valence", "arousal"], rows) + "\n\n" + source(measured)


CONDITIONS = {
    "as-it-is": "unchanged",
    "light-50": "half the light, noise",
    "light-25": "a quarter of the light, noise",
    "light-10": "a tenth of the light, noise",
    "light-160": "overexposed by 60 %",
    "contrast-40": "40 % of the contrast",
    "side-light-left": "light from one side, 20 % at the other",
    "skin-lighter": "skin lighter (exponent 0.6)",
    "skin-darker": "skin darker (exponent 1.6)",
    "skin-much-darker": "skin much darker (exponent 2.5)",
    "yaw-20": "turned by 20°",
    "yaw-40": "turned by 40°",
    "glasses": "glasses",
    "sunglasses": "sunglasses",
    "mask": "mask over nose and mouth",
}


# The recalls that drop first.
SHOWN = ["neutral", "happiness", "sadness", "anger", "fear"]


def conditions() -> str:
    """Accuracy under simulated light, skin tone, pose and occlusion."""
    rows = []
    for name, words in CONDITIONS.items():
        result, measured = record(f"conditions/{name}")
        recalls = {category["category"]: category["recall"] for category in result["categories"]}
        rows.append(
            [
                words,
                percent(result["accuracy"]),
                f"{result['macro_f1']:.2f}",
                f"{result['ece']:.3f}",
                *(f"{recalls[category]:.2f}" for category in SHOWN),
            ]
        )
    head = [
        f"{result['n']:,} faces",
        "accuracy",
        "macro F1",
        "calibration error",
        *(f"recall of {name}" for name in SHOWN),
    ]
    return table(head, rows) + "\n\n" + source(measured)


def quality() -> str:
    """Calibration of the published probability, by the quality of the crop."""
    result, measured = record("quality")
    rows = [
        [
            f"{part['from']:.1f} to {part['to']:.1f}",
            f"{part['n']:,}",
            percent(part["accuracy"]),
            percent(part["confidence"]),
            f"{part['ece']:.3f}",
        ]
        for part in result["by_quality"]
    ]
    whole = ["all", f"{result['n']:,}", percent(result["accuracy"]), "", f"{result['ece']:.3f}"]
    head = ["quality of the crop", "faces", "accuracy", "mean probability", "calibration error"]
    return table(head, [*rows, whole]) + "\n\n" + source(measured)


def family() -> str:
    """Larger networks of the family, with random weights."""
    result, measured = record("family")
    rows = []
    for bundle in result["bundles"]:
        arithmetic = "floats" if bundle["name"].endswith("-f32") else "8-bit integers"
        rows.append(
            [
                bundle["shape"],
                f"{bundle['parameters'] / 1e6:.1f} M",
                arithmetic,
                f"{bundle['difference']:.6f}",
                f"{bundle['load_s']:.1f} s",
                f"{bundle['run_ms']:.0f} ms",
                f"{bundle['peak_kib'] / 1024:.0f} MiB",
            ]
        )
    head = ["shape", "parameters", "arithmetic", "difference from PyTorch", "loading", "a run", "peak memory"]
    return table(head, rows) + "\n\n" + source(measured)


TABLES = [models, expression, confusion, degraded, concordance, va_map, conditions, quality, family]
