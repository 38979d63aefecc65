"""The fit of the last layer of an ONNX file."""

import json

import numpy as np
import onnx
import onnx.reference
import pytest

from affectd_models.bundle import last_layer, quantize
from affectd_models.errors import InvalidInput
from affectd_models.faces.ferplus import CATEGORIES, CLASSES, OUTPUTS
from affectd_models.measure import metrics, va_map, va_outputs

FEATURES = 20


def network(weight, last="MatMul"):
    """A network of Tanh and the last layer, whose weight is `weight`."""
    helper = onnx.helper
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Tanh", ["face"], ["features"]),
        helper.make_node(last, ["features", "head"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("face", onnx.TensorProto.FLOAT, [1, len(weight)])],
        [value("y", onnx.TensorProto.FLOAT, [1, weight.shape[-1]])],
        [onnx.numpy_helper.from_array(weight, "head")],
    )
    return helper.make_model(graph)


@pytest.fixture(params=["f32", "int8"])
def net(request):
    """A random network, with its weight in f32 or int8."""
    weight = np.random.default_rng(1).normal(size=(FEATURES, OUTPUTS)).astype(np.float32)
    model = network(weight)
    if request.param == "int8":
        quantize.quantize(model)
    np.testing.assert_allclose(last_layer.weights(model), weight, atol=0.02)
    return model


def random_features(count=600):
    """Inputs of the last layer. The first one is constant, so that its weight replaces a bias."""
    features = np.tanh(np.random.default_rng(2).normal(size=(count, FEATURES))).astype(np.float32)
    features[:, 0] = 0.5
    return features


def test_the_last_layer_is_fitted_to_the_map(net):
    features = random_features()
    before = features @ last_layer.weights(net)
    table = np.random.default_rng(3).uniform(-1, 1, (CLASSES, 2))
    # At this temperature the probabilities are nearly linear in the features.
    category_map = va_outputs.CategoryMap(40.0, table)
    explained = va_outputs.fit_last_layer(net, category_map, before[:, :CLASSES], features)
    after = features @ last_layer.weights(net)
    np.testing.assert_array_equal(before[:, :CLASSES], after[:, :CLASSES])
    target = category_map(before[:, :CLASSES])
    residual = after[:, CLASSES:] - target
    # The reported share is that of the weights before they are rounded to int8.
    np.testing.assert_allclose(1 - (residual**2).mean(0) / target.var(0), explained, atol=0.01)
    assert explained.min() > 0.95


def test_offsets_move_logits_alike_on_all_faces(net):
    features = random_features()
    before = features @ last_layer.weights(net)
    offsets = np.linspace(-0.5, 0.5, CLASSES)
    last_layer.add_offsets(net, features, offsets)
    change = features @ last_layer.weights(net) - before
    np.testing.assert_allclose(change[:, CLASSES:], 0, atol=1e-6)
    np.testing.assert_allclose(change[:, :CLASSES].mean(0), offsets, atol=0.05)


def test_features_become_the_second_output(net):
    extended = last_layer.with_features(net)
    assert [output.name for output in extended.graph.output] == ["y", "features"]
    assert len(net.graph.output) == 1
    face = random_features(1)
    outputs, features = onnx.reference.ReferenceEvaluator(extended).run(None, {"face": face})
    np.testing.assert_allclose(features, np.tanh(face), atol=1e-6)
    np.testing.assert_allclose(outputs, features @ last_layer.weights(net), atol=1e-5)


def test_other_networks_are_refused():
    columns = np.zeros((FEATURES, 2), np.float32)
    with pytest.raises(InvalidInput, match="the last node is Add; a MatMul without bias is expected"):
        last_layer.weights(network(np.zeros((FEATURES, OUTPUTS), np.float32), "Add"))
    with pytest.raises(InvalidInput, match=r"head is \[20, 7\]; expected are 10 outputs"):
        last_layer.replace_outputs(network(np.zeros((FEATURES, 7), np.float32)), columns, 0)
    model = network(np.zeros((FEATURES, OUTPUTS), np.float32))
    model.graph.initializer[0].name = "other"
    with pytest.raises(InvalidInput, match=r"no tensor head\.int8"):
        last_layer.replace_outputs(model, columns, 0)


def test_the_map_is_fitted_and_reported():
    random = np.random.default_rng(4)
    logits = 3 * random.normal(size=(500, CLASSES)).astype(np.float32)
    probability = metrics.softmax(logits)
    label = (probability.cumsum(1) > random.random((500, 1))).argmax(1)
    ratings = probability @ random.uniform(-0.8, 0.8, (CLASSES, 2))
    prior = va_map.Prior(1e-9, (2.0, 2.0))
    category_map, scores = va_outputs.fit_map(2 * logits, label, 2 * logits, ratings, prior)
    assert category_map.temperature == pytest.approx(2, rel=0.15)
    assert scores.shape == (va_map.REPEATS, 2)
    outputs = np.concatenate([logits, category_map(2 * logits)], 1)
    after = va_outputs.concordance(outputs, ratings)
    assert after.min() > 0.97
    report = va_outputs.Report(
        rated_faces=500,
        prior=prior,
        category_map=category_map,
        before=np.array([0.25, 0.125]),
        after=after,
        cross_validated=scores,
        explained=np.array([0.5, 0.75]),
    )
    result = json.loads(json.dumps(report.to_json()))
    assert result["ccc"]["before"] == [0.25, 0.125]
    assert result["ccc"]["cross_validated"] == pytest.approx(scores.mean(0).tolist())
    assert list(result["map"]) == CATEGORIES
    lines = report.to_markdown().splitlines()
    assert lines[0].startswith("500 rated faces, temperature ")
    assert "| before | 0.250 | 0.125 |" in lines
    assert lines[-1] == "the last layer explains 0.500 and 0.750 of the map's variance"
