"""Costs of a request to the server: of the cheapest model there is by every front, with 768 bytes and with 150 KB."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.arms import Arms
from benchmarks.serving.contenders import ours, triton
from benchmarks.serving.networks import publish_identity
from benchmarks.serving.rounds import load, medians, ratio

SMALL_PX, LARGE_PX = 16, 224
"""768 bytes and 147 KB an image."""
MODEL = "tiny"
WAYS: dict[str, dict[str, Any]] = {
    "grpc": {},
    "stream": {"is_streaming": True},
    "http": {"protocol": "http"},
}


def measure(arms: Arms, home: Path, *, rounds: int, window_s: float) -> dict[str, Any]:
    """Microseconds of processor a request, and HTTP's of gRPC's."""
    result: dict[str, Any] = {}
    for size, concurrencies in ((SMALL_PX, (1, 16)), (LARGE_PX, (16,))):
        with ExitStack() as stack:
            folder = home / f"identity-{size}"
            repository, data = folder / "models", folder / "pixels.json"
            if not data.is_file():
                publish_identity(folder, size=size)
            servers = {
                "ours": stack.enter_context(ours(repository)),
                "triton": stack.enter_context(triton(repository)),
            }
            for concurrency in concurrencies:
                found: dict[str, list[dict[str, float]]] = {}
                for round_ in range(rounds):
                    for name, server in servers.items():
                        for way, options in WAYS.items():
                            if name == "triton" and way == "stream":
                                continue  # 16 at once it hung now and then, and ended with the client that was killed
                            arm = arms.get(
                                f"identity {size} px, {concurrency} at once, {name} by {way}, round {round_}",
                                lambda server=server, options=options, concurrency=concurrency, data=data: load(
                                    server, MODEL, data, concurrency=concurrency, window_s=window_s, **options
                                ),
                            )
                            found.setdefault(f"{name} by {way}", []).append(arm)
                result[f"{size} px, {concurrency} at once"] = _table(found)
    return result


def _table(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    costs = {name: [1000 * arm["cpu_ms_a_row"] for arm in arms] for name, arms in found.items()}
    return {
        "cpu_us_a_request": {name: medians([{"us": cost} for cost in each])["us"] for name, each in costs.items()},
        "rows_per_s": {name: medians(arms)["rows_per_s"] for name, arms in found.items()},
        "p50_ms": {name: medians(arms)["p50_ms"] for name, arms in found.items()},
        "http_of_grpc": ratio(costs["ours by http"], costs["ours by grpc"]),
        "triton_http_of_grpc": ratio(costs["triton by http"], costs["triton by grpc"]),
    }
