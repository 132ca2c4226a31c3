"""The region graph of a run, proved: its map at the size of whole pictures, RoiAlign, pooling and head.

Decisions a reader would question:
- The pictures that it takes are larger than those that the branch was trained on, by default `SIDES` times their side
  and LARGEST_PX at most: what was trained on pictures of one object sees them at about that size in a picture of many.
- Its fit is always `stretch`. Boxes are shares of the original picture, and of a picture that was cropped or padded the
  graph cannot know which part it sees, for that hangs on the original's shape; stretched, shares stay what they are.
  Where all pictures have one shape, a size of that shape, such as 384x512, keeps it.
- Of each side of a box INSET is left out, for what the map's cells at its border saw is as much the surroundings as the
  object. It was measured (docs/decisions/0055): the largest single gain there is, larger than any way of training.
- A space of its own: a vector out of the map is near to that of a crop, and not the same, for the map around a box saw
  what stands around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from artifact.arrays import Vectors
from artifact.errors import ArtifactError, ParityError, UsageError
from artifact.events import Report
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.golden import golden_boxes, golden_images, make_golden
from artifact.model.manifest import canonical_json
from artifact.model.parts import Golden
from artifact.modes import BOXES
from export.graph import black_pictures, export_module
from export.half import to_half
from export.parity import Parity, make_session
from export.precision import FP16, FP32, INT8, PRECISIONS, scaled_tolerance
from export.region_head import with_fitted_head
from export.region_join import FEATURES, MAPS, VECTORS, join_regions
from export.region_reference import Floats, as_rows, probe_boxes, regions_of
from export.regions import Alignment
from rows.tables import ImageTable
from serving.probe import BATCHES, probe_pixels
from trainer.networks.branch import without_towers
from trainer.networks.regional import RegionalBranch, regional_branch
from trainer.networks.stages import run_once
from trainer.run.saved_run import Run

SIDES = 4
"""How much larger the side of whole pictures is, by default, than that of pictures of one object."""
LARGEST_PX = 512
"""Beyond it a picture costs more than the crops of its objects (docs/decisions/0055); nobody's own size is refused."""
INSET = 0.25
"""Share of a box's sides that is left out at each of them."""
_WHERE = "--as regions"
_PRECISIONS = (FP32, FP16)


@dataclass(frozen=True, kw_only=True)
class RegionGraph:
    """A region graph that has passed parity.

    Attributes:
        model: serialised.
        preprocessing: of the pictures that it takes.
        parity: with torch and numpy.
        golden: pictures with boxes and the vectors of these.
        facts: for the manifest: the sides of the map that the branch was trained with, what is left out, and
            what the last layer was fitted to.
    """

    model: bytes
    preprocessing: Preprocessing
    parity: Parity
    golden: Golden
    facts: dict[str, object]


def build_regions(
    run: Run,
    *,
    size: tuple[int, int] | None = None,
    precision: str = FP32,
    inset: float = INSET,
    fit: ImageTable | None = None,
    report: Report = lambda event: None,
) -> RegionGraph:
    """Make the region graph of a run.

    Args:
        size: height and width of the pictures in pixels; None: SIDES times those of the branch, up to LARGEST_PX.
        precision: `fp32` or `fp16`.
        inset: of boxes, see Alignment.
        fit: labelled objects that the last layer is fitted to (export/region_head.py), of pictures within the limits
            of the run's own; None: it stays as trained.
        report: gets {"event": "warning", ...} where some of them are left out.

    Raises:
        UsageError: a network without a map and a pooling, or that does not take such pictures; another precision.
        ArtifactError: the network cannot be exported.
        ParityError: the graph does not give the vectors of torch and numpy.
    """
    if precision not in _PRECISIONS:
        mend = "int8 is judged on pictures of one object: export those with --as branch" if precision == INT8 else None
        raise UsageError("--precision", expected="fp32 or fp16", got=precision, where=_WHERE, mend=mend)
    trained = run.preprocessing
    height, width = size or (_usual_side(trained.height), _usual_side(trained.width))
    spec = replace(trained, height=height, width=width, fit="stretch")
    parts = regional_branch(without_towers(run.branch).eval(), name=str(run.base["name"]), size=trained.height)
    num_channels = _num_channels(parts, spec, str(run.base["name"]))
    fitted: dict[str, object] = {}
    alignment = Alignment(sides=parts.sides, samples=1, inset=inset)
    if fit is not None:
        parts, fitted = with_fitted_head(
            parts,
            fit,
            spec,
            alignment,
            dim=run.embedding_dim,
            limits=run.config.limits,
            read_timeout_s=run.config.read_timeout_s,
            report=report,
        )
    graph = join_regions(
        export_module(parts.maps, black_pictures(spec), BRANCH_INPUT, MAPS),
        export_module(parts.tail, torch.zeros(2, num_channels, *parts.sides), FEATURES, VECTORS),
        alignment=alignment,
        embedding_dim=run.embedding_dim,
    )
    graph = to_half(graph) if precision == FP16 else graph
    model = graph.SerializeToString(deterministic=True)

    def reference(pixels: np.ndarray, boxes: Floats) -> Floats:
        with torch.no_grad():
            maps: Tensor = parts.maps(torch.from_numpy(pixels))
            features, is_box = regions_of(maps.numpy(), boxes, alignment)
            vectors: Vectors = parts.tail(torch.from_numpy(features)).numpy()
        return as_rows(vectors, is_box)

    return RegionGraph(
        model=model,
        preprocessing=spec,
        parity=_parity(reference, model, spec, precision),
        golden=_golden(reference, spec, precision),
        facts={"map": list(parts.sides), "inset": inset, "trained_px": [trained.height, trained.width]} | fitted,
    )


def region_space(branch_space: str, graph: RegionGraph) -> str:
    """Hash of everything that decides a region's vector: that of the branch, the pictures' size, the sampling."""
    facts = {"branch": branch_space, "preprocessing": graph.preprocessing.to_dict(), "regions": graph.facts}
    return hashlib.sha256(canonical_json(facts)).hexdigest()


def _usual_side(trained: int) -> int:
    return min(SIDES * trained, max(LARGEST_PX, trained))


def _num_channels(parts: RegionalBranch, spec: Preprocessing, name: str) -> int:
    try:
        return int(run_once(parts.maps, black_pictures(spec)).shape[1])
    except Exception as error:  # 1,300 networks raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise UsageError(
            f"base network {name} on pictures of {spec.width}x{spec.height} px",
            expected="a size it can take",
            got=reason,
            where=_WHERE,
            mend="choose another with --size",
        ) from None


Reference = Callable[[np.ndarray, Floats], Floats]


def _parity(reference: Reference, model: bytes, spec: Preprocessing, precision: str) -> Parity:
    """Compare with torch's map, numpy's boxes and torch's head, on batches of several sizes and numbers of boxes."""
    session, random, exactness = make_session(model), np.random.default_rng(0), PRECISIONS[precision]
    worst = limit = 0.0
    for size in BATCHES:
        pixels = probe_pixels(random, size, spec.height, spec.width)
        boxes = probe_boxes(random, size, 1 + size // 2)
        want = reference(pixels, boxes)
        try:
            (got,) = session.run([BRANCH_OUTPUT], {BRANCH_INPUT: pixels, BOXES: boxes})
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"the region graph does not run on a batch of {size}", got=str(error)) from None
        largest = float(np.abs(want).max())
        allowed = exactness.parity * (max(1.0, largest) if exactness.is_exact else largest)
        difference = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        if not difference <= allowed:  # also catches NaN
            raise ParityError(
                f"torch and onnxruntime differ in the vectors of boxes on a batch of {size}",
                expected=f"max |difference| <= {allowed:.2g}",
                got=f"{difference:.2g}",
                mend="nothing was published; please report the base network",
            )
        worst, limit = max(worst, difference), max(limit, allowed)
    return Parity(worst, limit)


def _golden(reference: Reference, spec: Preprocessing, precision: str) -> Golden:
    images = golden_images()
    boxes = golden_boxes(len(images))
    vectors = reference(np.stack([load_pixels(image, spec) for image in images]), boxes)
    if not np.isfinite(vectors).all():
        raise ArtifactError("vectors of golden boxes", expected="finite numbers", got="NaN or infinity")
    golden, exactness = make_golden(images, vectors, boxes), PRECISIONS[precision]
    tolerance = scaled_tolerance(exactness.golden, float(np.abs(vectors).max()), is_exact=exactness.is_exact)
    return golden.model_copy(update={"tolerance": tolerance})
