"""Families of image networks that export: the smallest member of each, random weights, both modes, parity, bytes.

Every row is one network of timm with its output layer removed and an embedding layer on top, exported as a triplet's
branch and full graph. A second process exports each branch again and must give the same bytes. A network that cannot be
exported is a row with the reason, as a user would read it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from artifact.errors import LookalikeError
from artifact.images.preprocessing import Preprocessing
from export.graph import export_branch
from export.join import join_streams
from export.parity import check_parity
from serving.probe import probe_pixels
from trainer.networks.base_networks import branch_of, build_base
from trainer.networks.branch import Branch

EMBEDDING_DIM = 8
RESULTS = Path(__file__).parent / "results"
FAMILIES: dict[str, tuple[str, int]] = {
    "resnet": ("resnet10t", 32),
    "resnet, bottleneck": ("resnet26", 32),
    "vgg": ("vgg11_bn", 32),
    "densenet": ("densenet121", 32),
    "mobilenetv3": ("mobilenetv3_small_050", 32),
    "efficientnet": ("efficientnet_b0", 32),
    "regnet": ("regnetx_002", 32),
    "convnext": ("convnext_atto", 32),
    "vit": ("vit_tiny_patch16_224", 32),
    "deit, distilled": ("deit_tiny_distilled_patch16_224", 32),
    "swin": ("swin_tiny_patch4_window7_224", 56),
    "swin v2": ("swinv2_tiny_window8_256", 64),
    "mixer": ("mixer_s32_224", 64),
    "mobilevit": ("mobilevit_xxs", 64),
    "ghostnet": ("ghostnet_050", 32),
    "repvgg": ("repvgg_a0", 32),
    "inception": ("inception_v3", 75),
    "xception": ("xception41", 32),
    "dla": ("dla46_c", 32),
    "hrnet": ("hrnet_w18_small", 32),
    "nfnet": ("nfnet_l0", 32),
    "cspdarknet": ("cspdarknet53", 32),
    "maxvit": ("maxvit_pico_rw_256", 64),
    "mobilenetv4": ("mobilenetv4_conv_small_050", 32),
    "coatnet": ("coatnet_nano_rw_224", 64),
    "levit": ("levit_128s", 64),
    "poolformer": ("poolformer_s12", 32),
    "edgenext": ("edgenext_xx_small", 32),
    "fastvit": ("fastvit_t8", 64),
    "efficientformer": ("efficientformer_l1", 224),
    "gcvit": ("gcvit_xxtiny", 64),
    "davit": ("davit_tiny", 64),
    "pit": ("pit_ti_224", 64),
    "xcit": ("xcit_nano_12_p16_224", 32),
    "eva": ("eva02_tiny_patch14_224", 28),
    "selective kernel": ("skresnet18", 32),
    "res2net": ("res2net50_14w_8s", 32),
    "resnest": ("resnest14d", 32),
    "vovnet": ("ese_vovnet19b_slim", 32),
    "rexnet": ("rexnet_100", 32),
    "pvt": ("pvt_v2_b0", 32),
    "crossvit": ("crossvit_tiny_240", 240),
    "focalnet": ("focalnet_tiny_srf", 64),
    "mambaout": ("mambaout_femto", 32),
    "conv4 (own)": ("conv4", 32),
}


def make_branch(name: str, size: int) -> Branch:
    """A branch with random weights, its BatchNorm as after training so that folding it wrongly would show."""
    torch.manual_seed(0)
    base = build_base(name, size=size)
    branch = branch_of(base, embedding_dim=EMBEDDING_DIM, normalize=False)
    for module in branch.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    return branch.eval()


def measure(name: str, size: int) -> dict[str, Any]:
    """Export one network in both modes and prove parity; a refusal is the row's `refused`."""
    row: dict[str, Any] = {"model": name, "size": size}
    start = time.perf_counter()
    spec = Preprocessing(height=size, width=size)
    try:
        branch = make_branch(name, size)
        pixels = probe_pixels(np.random.default_rng(0), 4, size, size)
        with torch.no_grad():
            row["largest"] = float(branch(torch.from_numpy(pixels)).abs().max())
        graph = export_branch(branch, preprocessing=spec)
        full = join_streams(graph, kind="triplet", distance="euclidean", embedding_dim=EMBEDDING_DIM)
        for mode, model in (("branch", graph), ("full", full)):
            signature = {"kind": "triplet", "mode": mode, "distance": "euclidean"}
            data = model.SerializeToString(deterministic=True)
            parity = check_parity(branch, data, preprocessing=spec, **signature)
            row[mode] = {
                "nodes": len(model.graph.node),
                "batch_norms": sum(node.op_type == "BatchNormalization" for node in model.graph.node),
                "max_abs": parity.max_abs,
                "limit": parity.limit,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    except LookalikeError as error:
        row["refused"] = str(error)
    return row | {"seconds": round(time.perf_counter() - start, 1)}


_DIGESTS = """
import hashlib, json, sys
from benchmarks.families import LookalikeError, Preprocessing, export_branch, make_branch
for name, size in json.load(sys.stdin):
    try:
        graph = export_branch(make_branch(name, size), preprocessing=Preprocessing(height=size, width=size))
    except LookalikeError:
        continue
    print("sha256", name, hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest())
"""


def branch_digests(families: dict[str, tuple[str, int]]) -> dict[str, str]:
    """SHA-256 of each branch graph as another process exports it, by model; what is refused is left out."""
    done = subprocess.run(
        [sys.executable, "-c", _DIGESTS],
        input=json.dumps(list(families.values())),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("sha256 ")]
    return {name: digest for _, name, digest in lines}


def run(output: Path = RESULTS, families: dict[str, tuple[str, int]] | None = None) -> dict[str, Any]:
    """Measure every family; writes `families.md` into the folder `output` and returns the rows."""
    families = families or FAMILIES
    rows = []
    with ThreadPoolExecutor(1) as other:
        again = other.submit(branch_digests, families)
        for family, (name, size) in families.items():
            rows.append({"family": family} | measure(name, size))
            print(as_line(rows[-1]), flush=True)
    for row in rows:
        if "refused" not in row:
            row["same_bytes"] = again.result().get(row["model"]) == row["branch"]["sha256"]
    output.mkdir(parents=True, exist_ok=True)
    (output / "families.md").write_text(as_markdown(rows))
    return {"rows": rows}


def as_line(row: dict[str, Any]) -> str:
    """One row of the table."""
    start = f"| {row['family']} | {row['model']} | {row['size']} |"
    if "refused" in row:
        return f"{start} refused: {row['refused']} | | | | | | {row['seconds']} |"
    branch, full = row["branch"], row["full"]
    parity = f"{branch['max_abs']:.1e} / {full['max_abs']:.1e}"
    same = {True: "yes", False: "NO", None: "?"}[row.get("same_bytes")]
    return (
        f"{start} {branch['nodes']} / {full['nodes']} | {branch['batch_norms']} | {parity} | {row['largest']:.2g} "
        f"| {branch['bytes'] / 1e6:.1f} | {same} | {row['seconds']} |"
    )


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The result file."""
    import onnxruntime
    import timm

    exported = sum("refused" not in row for row in rows)
    return "\n".join(
        [
            "# Families of networks: what exports",
            "",
            f"{exported} of {len(rows)} export in both modes: `python -m benchmarks families`, "
            f"{time.strftime('%Y-%m-%d')},",
            f"Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}, onnxruntime "
            f"{onnxruntime.__version__}, {platform.machine()}, {torch.get_num_threads()} threads.",
            "",
            "Random weights, embedding of 8, triplet, euclidean. Nodes and difference: branch / full. Difference:",
            "largest |torch - onnxruntime| over batches of 1, 2 and 7, all outputs; beside it the largest value of a",
            "vector. A BatchNorm that is left stands in front of an activation: no convolution is there to take it.",
            "Same bytes: another process exported the same file.",
            "",
            "| family | model | px | nodes | BatchNorm left | difference | largest value | MB | same bytes | seconds |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(as_line(row) for row in rows),
            "",
        ]
    )
