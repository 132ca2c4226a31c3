"""Boxes in a foreign network: its map [N, C, h, w] proved first, then RoiAlign and a pooling behind it.

The map is adopted like any vector, flattened, with a dynamic batch that was proved against the untouched network. What
is put behind it here has a reference of its own, numpy's (export/region_reference.py), on the maps of that network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from artifact.arrays import Vectors
from artifact.errors import ArtifactError, ParityError, UsageError
from artifact.images.decoding import Pixels
from artifact.images.preprocessing import load_pixels
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.golden import golden_boxes, golden_images, make_golden
from artifact.model.parts import Golden
from artifact.modes import BOXES
from export.adoption.batch import AdoptedParity
from export.adoption.original import Original, load_session
from export.adoption.surgery import OURS, rename
from export.graph_values import Nodes
from export.region_reference import Floats, as_rows, probe_boxes, regions_of
from export.regions import Alignment, align_regions, alignment_for, pool_regions, put_into_rows
from serving.probe import BATCHES

INSET = 0.25
"""As of a run's own regions (export/region_build.py)."""
_FLAT = f"{OURS}flat_map"


class OriginalMap(Original):
    """The untouched network up to a map, as a function of uint8 images to maps [N, C, h, w], each flattened.

    Attributes:
        sides: C, h and w, once it has run.
    """

    sides = (0, 0, 0)

    def _vector(self, pixels: Pixels) -> Vectors:
        batch = self.foreign.image.batch or 1
        value = self._values(pixels)[self.output]
        is_map = value.dtype in (np.float32, np.float16) and value.ndim == 4 and value.shape[0] == batch
        if not is_map or value.shape[2] * value.shape[3] < 2:
            raise UsageError(
                f"--regions {self.output!r}",
                expected=f"a map [{batch}, channels, height, width] of several cells",
                got=f"{value.dtype} {list(value.shape)}",
                where=self.foreign.path,
                mend="name a value in front of the pooling",
            )
        self.sides = value.shape[1], value.shape[2], value.shape[3]
        found = np.asarray(value, np.float32).reshape(batch, -1)[:1]
        if not np.isfinite(found).all():
            raise ArtifactError(
                f"value {self.output!r} is not finite on a picture",
                where=self.foreign.path,
                mend="check --mean and --std; if they are right, the network is not",
            )
        return found


@dataclass(frozen=True)
class BoxedNetwork:
    """A foreign network with boxes that has passed parity.

    Attributes:
        data: the serialised graph.
        parity: largest |difference| from numpy's vectors.
        golden: pictures with boxes.
        vectors: float32 [K, n] of probe boxes, which show whether they are normalised.
        facts: the sides of the map, the pooling and what is left out of a box, for the manifest.
    """

    data: bytes
    parity: AdoptedParity
    golden: Golden
    vectors: Vectors
    facts: dict[str, object]


def with_boxes(original: OriginalMap, flat: bytes, pixels: Pixels, pooling: str, *, tolerance: float) -> BoxedNetwork:
    """Put boxes into the adopted graph of a map.

    Args:
        original: the untouched network, which has run and knows the shape of its map.
        flat: the adopted graph: uint8 `image` -> float32 `embedding` [N, C * h * w].
        pixels: uint8 [10, H, W, 3] to prove it on.
        pooling: `avg` or `max` of a box.
        tolerance: of the vectors, relative to the largest |value|.

    Raises:
        ParityError: the graph does not give numpy's vectors of the untouched network's maps.
    """
    channels, height, width = original.sides
    alignment = alignment_for((height, width), inset=INSET)
    data = _graph(flat, original.sides, alignment, pooling)

    def reference(images: Pixels, boxes: Floats) -> Floats:
        maps = original.run(images).reshape(len(images), channels, height, width)
        bins, is_box = regions_of(maps, boxes, alignment)
        return as_rows(bins.mean(axis=(2, 3)) if pooling == "avg" else bins.max(axis=(2, 3)), is_box)

    session, random = load_session(data, original.foreign), np.random.default_rng(2)
    worst = limit = 0.0
    start, found = 0, []
    for batch in BATCHES:
        images, boxes = pixels[start : start + batch], probe_boxes(random, batch, 1 + batch)
        start += batch
        want = reference(images, boxes)
        (got,) = session.run([BRANCH_OUTPUT], {BRANCH_INPUT: images, BOXES: boxes})
        allowed = tolerance * float(np.abs(want).max())
        difference = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        if not difference <= allowed:  # also catches NaN
            raise ParityError(
                "the vectors of boxes are not those of the network's own map",
                expected=f"max |difference| <= {allowed:.2g}",
                got=f"{difference:.2g} in a batch of {batch}",
                where=original.foreign.path,
            )
        worst, limit = max(worst, difference), max(limit, allowed)
        found.append(want[~np.isnan(boxes).any(axis=2)])
    files = golden_images()
    boxes = golden_boxes(len(files))
    vectors = reference(np.stack([load_pixels(file, original.preprocessing) for file in files]), boxes)
    return BoxedNetwork(
        data=data,
        parity=AdoptedParity(worst, limit),
        golden=make_golden(files, vectors, boxes),
        vectors=np.concatenate(found),
        facts={"map": [height, width], "pooling": pooling, "inset": INSET},
    )


def _graph(flat: bytes, shape: tuple[int, int, int], alignment: Alignment, pooling: str) -> bytes:
    import onnx
    from onnx import helper

    model = onnx.ModelProto.FromString(flat)
    graph = model.graph
    rename(graph, {BRANCH_OUTPUT: _FLAT, BOXES: f"network/{BOXES}"})
    nodes = Nodes(f"{OURS}regions/")
    maps = nodes.add("Reshape", _FLAT, nodes.integers([-1, *shape])).name
    aligned = align_regions(nodes, maps, BOXES, alignment)
    vectors = pool_regions(nodes, aligned.features, pooling)
    put_into_rows(nodes, vectors, BOXES, aligned.is_box, embedding_dim=shape[0], output=BRANCH_OUTPUT)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    graph.input.append(helper.make_tensor_value_info(BOXES, onnx.TensorProto.FLOAT, ["N", "R", 4]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(BRANCH_OUTPUT, onnx.TensorProto.FLOAT, ["N", "R", shape[0]]))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
