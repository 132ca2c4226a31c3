"""The server's figures: one image a request of real pixels by real perf_analyzer, beside real Triton and mlserver.

Networks: ResNet-18 and MobileNetV3-small at 224 px. Contenders of a round, one after the other at each concurrency:
ours with its defaults; real Triton 2.51 over the same repository, its onnxruntime in the python backend, once as one
instance with every core and once as an instance for each core (the better of the two counts); Triton fed float32, as
people usually do. Then mlserver 1.7.1 fed float32, beside ours, both by a client of our own. Then what one server does
against onnxruntime alone: processor, latency of one image, p99 at half load, JPEG files in. Then the costs of a request
of the cheapest model, and the start.

Every arm is kept as it ends (build/benchmark-serving.json): a run that was cut off goes on where it stopped. Networks
and mlserver's environment are kept in build/serving. LOOKALIKE_SERVING_QUICK=1 takes one short round, for a trial.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from artifact.images.cores import available_cores
from benchmarks.arms import Arms
from benchmarks.scoring import contend
from benchmarks.scoring_data import MODEL, write_photographs
from benchmarks.serving import costs, starts
from benchmarks.serving.contenders import Running, mlserver, ours, triton
from benchmarks.serving.networks import PLAIN, Network, shares
from benchmarks.serving.rounds import Arm, best_of, load, medians, ratio, raw_load, rounded

NETWORKS = {"resnet18": 3.0, "mobilenetv3_small_100": 2.0}
"""Seconds of a window: at 64 at once the first of the two answers one request in a second and a half."""
CONCURRENCIES = (1, 4, 16, 64)
ROUNDS = 3
HOME, PARTIAL = Path("build/serving"), Path("build/benchmark-serving.json")
TUNING = HOME / "tuning"
WANTED = {
    "resnet18": {"of_triton": 1.0, "of_triton_fp32": 1.0, "of_mlserver": 1.6, "cpu": 0.95, "cpu_16": 0.97},
    "mobilenetv3_small_100": {"of_triton": 1.1, "of_triton_fp32": 1.3, "of_mlserver": 5, "cpu": 0.75, "cpu_16": 0.92},
    "one_image_over_alone_ms": 0.8,
    "p99_of_p50_at_half_load": 3,
    "jpeg_of_limit": 0.9,
    "identity_cpu_us": 250,
    "http_of_grpc": 1.3,
    "start_beside_load_s": 1,
    "rss_beside_model_mib": 200,
}


def run() -> dict[str, Any]:
    is_quick = bool(os.environ.get("LOOKALIKE_SERVING_QUICK"))
    rounds = 1 if is_quick else ROUNDS
    arms = Arms(PARTIAL, ("serving", is_quick, rounds, NETWORKS, CONCURRENCIES, available_cores()))
    HOME.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"rounds": rounds, "wanted": WANTED}
    for name, window_s in NETWORKS.items():
        result[name] = _measure(arms, Network(name, HOME), rounds, 1.5 if is_quick else window_s)
    result["identity"] = costs.measure(arms, HOME, rounds=min(rounds, 3), window_s=0.5 if is_quick else 2.0)
    arms.forget()
    return result


def _measure(arms: Arms, network: Network, rounds: int, window_s: float) -> dict[str, Any]:
    alone = arms.get(f"{network.name} alone", lambda: _alone(network.model))
    found: dict[str, dict[int, list[Arm]]] = {}
    result: dict[str, Any] = {"alone": alone}
    with ExitStack() as stack:
        own = stack.enter_context(ours(network.repository, tuned_in=TUNING))
        contenders: dict[str, tuple[Running, str, Path]] = {"ours": (own, MODEL, network.data["pixels"])}
        for share in shares():
            server = stack.enter_context(triton(network.for_triton(share)))
            contenders[f"triton {share}"] = (server, MODEL, network.data["pixels"])
            server = stack.enter_context(triton(network.plain_for_triton(share)))
            contenders[f"triton fp32 {share}"] = (server, PLAIN, network.data["floats"])
        for round_ in range(rounds):
            for concurrency in CONCURRENCIES:
                for contender, (server, model, data) in contenders.items():
                    arm = arms.get(
                        f"{network.name}, {concurrency} at once, {contender}, round {round_}",
                        lambda server=server, model=model, data=data, concurrency=concurrency: load(
                            server, model, data, concurrency=concurrency, window_s=window_s
                        ),
                    )
                    found.setdefault(contender, {}).setdefault(concurrency, []).append(arm)
            _one_server(arms, network, own, found, round_, window_s)
        result["one_image_a_request"] = {
            f"{concurrency} at once": _table(found, concurrency) for concurrency in CONCURRENCIES
        }
        result |= _against_alone(network, alone, found, rounds, arms)
    result["mlserver"] = _beside_mlserver(arms, network, min(rounds, 3), window_s)
    if network.name == "resnet18":
        result["jpeg"] = _jpeg(arms, network, min(rounds, 3), window_s)
    result["start"] = arms.get(
        f"{network.name} start", lambda: starts.measure(network.repository, MODEL, rounds=min(5, 2 + rounds))
    )
    result["start"]["beside_load_s"] = round(result["start"]["start_to_ready_s"] - alone["load_s"], 3)
    return result


def _one_server(
    arms: Arms, network: Network, server: Running, found: dict[str, Any], round_: int, window_s: float
) -> None:
    """What our server alone is asked: sixteen images a request, and half of what it gave at 16 at once."""
    pixels = network.data["pixels"]
    arms.get(
        f"{network.name}, 16 images a request, round {round_}",
        lambda: load(server, MODEL, pixels, concurrency=2, batch=16, window_s=2 * window_s),
    )
    half = found["ours"][16][round_]["rows_per_s"] / 2
    for distribution in ("constant", "poisson"):
        arms.get(
            f"{network.name}, half load, {distribution}, round {round_}",
            lambda distribution=distribution: load(
                server,
                MODEL,
                pixels,
                rate=half,
                window_s=2 * window_s,
                more=(f"--request-distribution={distribution}",),
            ),
        )


def _table(found: dict[str, dict[int, list[Arm]]], concurrency: int) -> dict[str, Any]:
    speeds = {name: [arm["rows_per_s"] for arm in by[concurrency]] for name, by in found.items()}
    fed = {"of_triton": "triton ", "of_triton_fp32": "triton fp32 "}
    return {
        "medians": {name: medians(by[concurrency]) for name, by in found.items()},
        **{
            name: ratio(speeds["ours"], best_of([speeds[prefix + share] for share in shares()]))
            for name, prefix in fed.items()
        },
    }


def _against_alone(
    network: Network, alone: dict[str, Any], found: dict[str, Any], rounds: int, arms: Arms
) -> dict[str, Any]:
    """Processor of a row and the latency of one image beside onnxruntime alone; p99 of p50 at half load."""
    cpu_ms = 1000 / alone["images_per_cpu_s"]
    many = [arms[f"{network.name}, 16 images a request, round {round_}"] for round_ in range(rounds)]
    one = found["ours"][1]
    half = {
        distribution: [
            arm["p99_ms"] / arm["p50_ms"]
            for arm in (arms[f"{network.name}, half load, {distribution}, round {number}"] for number in range(rounds))
        ]
        for distribution in ("constant", "poisson")
    }
    return {
        "images_per_cpu_s_of_alone": {
            **{
                f"{concurrency} at once": rounded(cpu_ms / medians(found["ours"][concurrency])["cpu_ms_a_row"])
                for concurrency in CONCURRENCIES
            },
            "16 a request": rounded(cpu_ms / medians(many)["cpu_ms_a_row"]),
        },
        "one_image_over_alone_ms": {
            how: rounded(medians(one)["p50_ms"] - alone_ms) for how, alone_ms in alone["one_ms"].items()
        },
        "p99_of_p50_at_half_load": {how: rounded(statistics.median(each)) for how, each in half.items()},
    }


def _beside_mlserver(arms: Arms, network: Network, rounds: int, window_s: float) -> dict[str, Any]:
    """Both by the client of our own: ours is sent bytes of pixels there too, mlserver float32."""
    found: dict[int, dict[str, list[float]]] = {}
    pixels = network.floats.with_name("pixels.npy")
    with ExitStack() as stack:
        own = stack.enter_context(ours(network.repository, tuned_in=TUNING))
        other = stack.enter_context(mlserver(network.plain.resolve(), HOME.resolve(), threads=available_cores()))
        contenders = {"ours": (own, MODEL, "UINT8", pixels), "mlserver": (other, PLAIN, "FP32", network.floats)}
        for round_ in range(rounds):
            for concurrency in CONCURRENCIES:
                for name, (server, model, datatype, file) in contenders.items():
                    arm = arms.get(
                        f"{network.name}, mlserver's client, {concurrency} at once, {name}, round {round_}",
                        lambda server=server, model=model, datatype=datatype, file=file, concurrency=concurrency: (
                            raw_load(server, model, datatype, file, concurrency, 2 * window_s)
                        ),
                    )
                    found.setdefault(concurrency, {}).setdefault(name, []).append(arm["rows_per_s"])
    return {
        f"{concurrency} at once": {
            **{name: rounded(statistics.median(each)) for name, each in speeds.items()},
            "of_mlserver": ratio(speeds["ours"], speeds["mlserver"]),
        }
        for concurrency, speeds in found.items()
    }


def _jpeg(arms: Arms, network: Network, rounds: int, window_s: float) -> dict[str, Any]:
    """Files of 640x480 in, beside what decoding, resizing and onnxruntime take of both cores together."""
    speeds: list[float] = []
    limits: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="lookalike-serving-") as name,
        ours(network.repository, tuned_in=TUNING) as server,
    ):
        home = Path(name)
        (home / "models").symlink_to(network.repository.resolve())
        folders = write_photographs(home / "photographs", 480)
        for round_ in range(rounds):
            limit = arms.get(
                f"jpeg, limit, round {round_}", lambda: contend("limit", home, folders)["together"]["images_per_s"]
            )
            arm = arms.get(
                f"jpeg, ours, round {round_}",
                lambda: load(server, f"{MODEL}_encoded", network.data["jpegs"], concurrency=16, window_s=2 * window_s),
            )
            limits.append(limit)
            speeds.append(arm["rows_per_s"])
    return {
        "images_per_s": rounded(statistics.median(speeds)),
        "limit_images_per_s": rounded(statistics.median(limits)),
        "of_limit": ratio(speeds, limits),
    }


def _alone(file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving.alone", str(file)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer
