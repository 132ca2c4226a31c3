"""Losses and distances that nobody knows by name, from the settings to the graph: one entry in a dict is enough."""

import functools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from analysis.neighbours.nearest import flat_index, nearest
from artifact.distances import DISTANCES, Distance
from artifact.distances.distance import LENGTHS
from artifact.distances.euclidean import EUCLIDEAN
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name, embedding_name
from artifact.losses import LOSSES, Loss
from artifact.losses.loss import TRIPLET
from artifact.losses.row_loss import row_loss
from artifact.namespace import Array, Namespace
from artifact.registry import registry
from export.build import build
from export.join import join_streams
from rows.stores.label import Label
from tests.shared.shapes_run import write_shapes
from trainer.config.config import TrainConfig, make_config
from trainer.loop.fit import fit
from trainer.loop.preparation import settle
from trainer.objective.mining import MINERS
from trainer.objective.objective import Objective
from trainer.watch.collapse import resting_loss

DIM = 6


def city_block(xp: Namespace, a: Array, b: Array) -> Array:
    """Sum of absolute differences."""
    return xp.sum(abs(a - b))


def root_block(xp: Namespace, a: Array, b: Array) -> Array:
    """A formula with every operator and function that distances may use."""
    lengths = xp.at_least(xp.length(a), 0.5) * xp.at_least(xp.length(b), 0.5)
    return xp.sqrt(0.5 * xp.sum(xp.relu(a - b) + xp.relu(-(a - b))) * 2.0 / lengths + 1.0) - 1.0


def squared_hinge(xp: Namespace, positive: Array, negative: Array, *, margin: float) -> Array:
    """max(0, d_ap - d_an + m)^2."""
    wrong = xp.relu(positive - negative + margin)
    return wrong * wrong


NEW_DISTANCES = {
    "city_block": Distance(name="city_block", between=city_block, bound=None),
    "root_block": Distance(name="root_block", between=root_block, bound=None),
}
NEW_LOSS = Loss(name="squared_hinge", formula=squared_hinge, form=TRIPLET, unit_margin=0.2, free_margin=0.5)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, distance in NEW_DISTANCES.items():
        monkeypatch.setitem(DISTANCES, name, distance)
    monkeypatch.setitem(LOSSES, NEW_LOSS.name, NEW_LOSS)


def plain(name: str, a: np.ndarray, b: np.ndarray) -> float:
    """One distance of two vectors, written out."""
    block = float(np.abs(a - b).sum())
    if name == "city_block":
        return block
    lengths = max(0.5, float(np.sqrt(a @ a))) * max(0.5, float(np.sqrt(b @ b)))
    return float(np.sqrt(block / lengths + 1.0) - 1.0)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def config(distance: str, **values: object) -> TrainConfig:
    given = {"images": "x", "kind": "triplet", "loss": "squared_hinge", "distance": distance}
    return settle(make_config(given | values))[0]


@pytest.mark.parametrize("distance", NEW_DISTANCES)
def test_settings_take_a_new_loss_and_distance(distance: str) -> None:
    """Names, default margin and the loss at rest come from the objects."""
    resolved = config(distance)
    assert (resolved.loss, resolved.distance, resolved.margin, resolved.mining) == (
        "squared_hinge",
        distance,
        0.5,
        "all",
    )
    assert resting_loss(resolved) == pytest.approx(0.25)
    assert config(distance, margin=50, normalize=True).margin == 50
    with pytest.raises(UsageError, match="loss of a siamese model: expected contrastive or contrastive_linear, got sq"):
        config(distance, kind="siamese")


@pytest.mark.parametrize("distance", NEW_DISTANCES)
@pytest.mark.parametrize("miner", MINERS[TRIPLET])
def test_objective_trains_a_new_loss_by_a_new_distance(distance: str, miner: str) -> None:
    """Of all triplets a plain loop's loss; with every miner finite gradients, of equal and of zero vectors too."""
    points, labels = vectors(8), np.arange(8) // 2
    objective = Objective(loss=NEW_LOSS, distance=distance, mining=miner, margin=0.5, margin2=0.0)
    for batch in (torch.from_numpy(points), torch.ones(8, DIM), torch.zeros(8, DIM)):
        batch = batch.clone().requires_grad_()
        loss = objective(batch, torch.from_numpy(labels)).loss
        assert torch.isfinite(torch.autograd.grad(loss, batch)[0]).all()
    if miner == "all":
        values = [
            max(0.0, plain(distance, points[a], points[p]) - plain(distance, points[a], points[n]) + 0.5) ** 2
            for a in range(8)
            for p in range(8)
            for n in range(8)
            if a != p and labels[a] == labels[p] and labels[a] != labels[n]
        ]
        active = [value for value in values if value > 0]
        got = objective(torch.from_numpy(points), torch.from_numpy(labels)).loss
        assert got.item() == pytest.approx(sum(active) / len(active), rel=1e-5)


@pytest.mark.parametrize("distance", NEW_DISTANCES)
def test_rows_have_a_new_loss_by_a_new_distance(distance: str) -> None:
    """As `score --loss` computes them, from the distances of a table's vectors."""
    streams = {stream: vectors(20, seed) for seed, stream in enumerate(KINDS["triplet"].streams)}
    distances = {distance_name(p): DISTANCES[distance](streams[p[0]], streams[p[1]]) for p in KINDS["triplet"].pairs}
    loss = row_loss("squared_hinge", kind="triplet", margin=0.5, margin2=None, where="here")
    expected = [
        max(0.0, plain(distance, a, p) - plain(distance, a, n) + 0.5) ** 2
        for a, p, n in zip(*(streams[stream] for stream in KINDS["triplet"].streams), strict=True)
    ]
    np.testing.assert_allclose(loss(distances), expected, rtol=1e-4, atol=1e-6)


def sums_of_pixels() -> onnx.ModelProto:
    """A branch that sums the pixels of each column: image uint8 [N, 2, DIM, 3] -> embedding [N, DIM]."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["embedding"], keepdims=0),
    ]
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 3])
    image = helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["N", 2, DIM, 3])
    embedding = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["N", DIM])
    graph = helper.make_graph(nodes, "sums", [image], [embedding], [axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("distance", list(DISTANCES) + list(NEW_DISTANCES))
@pytest.mark.parametrize("kind", KINDS)
def test_full_graphs_give_a_new_distance(kind: str, distance: str) -> None:
    """The formula becomes nodes; batches of 1, 2 and 7; zero vectors, and the same bytes each time."""
    join = functools.partial(join_streams, sums_of_pixels(), kind=kind, distance=distance, embedding_dim=DIM)
    model = join().SerializeToString(deterministic=True)
    assert model == join().SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(model)
    random = np.random.default_rng(0)
    for size in (1, 2, 7):
        feeds = {s: random.integers(0, 9, (size, 2, DIM, 3), dtype=np.uint8) for s in KINDS[kind].streams}
        feeds[KINDS[kind].streams[0]][0] = 0
        got = dict(zip((node.name for node in session.get_outputs()), session.run(None, feeds), strict=True))
        for stream, pixels in feeds.items():
            np.testing.assert_array_equal(got[embedding_name(stream)], pixels.sum(axis=(1, 3), dtype=np.float32))
        for a, b in KINDS[kind].pairs:
            expected = DISTANCES[distance](got[embedding_name(a)], got[embedding_name(b)])[:, None]
            np.testing.assert_allclose(got[distance_name((a, b))], expected, rtol=1e-5, atol=1e-6)


def test_neighbours_are_found_by_a_new_distance_and_an_index_refuses_it() -> None:
    """No product and no index know it, so all distances are compared."""
    points = vectors(30)
    distances, rows = nearest(points, points, 3, distance="city_block", own=np.arange(len(points)))
    for query in range(30):
        apart = {row: plain("city_block", points[query], points[row]) for row in range(30) if row != query}
        assert rows[query].tolist() == sorted(apart, key=lambda row: apart[row])[:3]
        np.testing.assert_allclose(distances[query], sorted(apart.values())[:3], rtol=1e-5)
    with pytest.raises(UsageError, match="distance of a search index: expected one of euclidean, squared_euc"):
        flat_index(DIM, "city_block")


def test_stores_refuse_a_distance_that_they_have_no_metric_for() -> None:
    """Their neighbours would be by another distance."""
    metrics = {LENGTHS: "L2"}
    known, unknown = (
        Label(column="embedding", dim=DIM, distance=name, id_type="text", lineage=None)
        for name in ("euclidean", "city_block")
    )
    assert known.metric(metrics) == "L2"
    with pytest.raises(UsageError, match="distance of a store: expected one of euclidean, got city_block"):
        unknown.metric(metrics)


def test_a_run_trains_and_exports_with_a_new_loss_and_distance(tmp_path: Path) -> None:
    """From images to a full artifact, parity included."""
    images = write_shapes(tmp_path / "images")
    values = {"images": images, "kind": "triplet", "dim": 8, "size": 32, "epochs": 1, "validation": "images:0.25"}
    run = fit(make_config(values | {"loss": "squared_hinge", "distance": "city_block"}), tmp_path / "run")
    built = build(run, "full")
    assert (built.manifest.loss, built.manifest.distance) == ("squared_hinge", "city_block")
    assert built.parity.max_abs <= built.parity.limit


def test_a_name_given_twice_is_refused() -> None:
    """Which of the two was meant could not be told."""
    with pytest.raises(ValueError, match="two entries of the name 'euclidean'; give one of them another"):
        registry(EUCLIDEAN, EUCLIDEAN)
