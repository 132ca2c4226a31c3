"""One client of the soak, in a process of its own: every kind of request in turn, every answer compared.

    python -m benchmarks.faults.soak_client GRPC_URL HTTP_URL REPOSITORY SECONDS

Prints one line of JSON: answers of each kind, and what was wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.shared.conformance.over_rest.answers import Vectors
from tests.shared.conformance.over_rest.requests import RAW, RestRequest, binary, inference, post, sized
from tests.shared.conformance.rest import exchange
from tests.shared.conformance.served import (
    BRANCH,
    FULL,
    MOVING,
    TIMEOUT_S,
    Served,
    column,
    connected,
    read,
    request,
    require_close,
)
from tests.shared.pictures import pictures

_MOST_WRONG = 5


def main(grpc_url: str, http_url: str, repository: Path, seconds: float) -> dict[str, Any]:
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    with connected(grpc_url, repository) as served:
        kinds = _kinds(served, http_url)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and len(wrong) < _MOST_WRONG:
            for name, ask in kinds.items():
                try:
                    ask()
                except Exception as error:
                    wrong.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
                answers[name] += 1
    return {"answers": answers, "wrong": wrong}


def _kinds(served: Served, http_url: str) -> dict[str, Callable[[], None]]:
    """Every kind of request with its comparison."""
    images = list(pictures().values())
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
    vectors = BRANCH.outputs({"image": pixels})
    encoded = BRANCH.outputs({"image": BRANCH.pixels(images[:4])})
    moving = MOVING.outputs({"image": MOVING.pixels(images[:2])})
    full = FULL[0]
    pair = {stream: np.zeros((2, full.size, full.size, 3), np.uint8) for stream in full.streams}
    distances = full.outputs(pair)

    def stream() -> None:
        sent = [request("pets", {"image": pixels[:1]}, id=str(number)) for number in range(20)]
        for answer in served.stub.ModelStreamInfer(iter(sent), timeout=TIMEOUT_S):
            require_close(read(answer.infer_response), BRANCH.outputs({"image": pixels[:1]}))

    def refusal() -> None:
        code, _ = served.refusal(lambda: served.infer("pets_encoded", {"image": column([images[0], b"bad"])}))
        assert code == "INVALID_ARGUMENT", code

    def over_http(sent: RestRequest) -> None:
        Vectors().require(*exchange(http_url, sent.method, sent.path, sent.body, sent.headers))

    return {
        "pixels": lambda: require_close(served.infer("pets", {"image": pixels}), vectors),
        "pairs": lambda: require_close(served.infer("pairs", pair), distances),
        "stream": stream,
        "files": lambda: require_close(served.infer("pets_encoded", {"image": column(images[:4])}), encoded),
        "a model that is loaded anew": lambda: require_close(
            served.infer("moving_encoded", {"image": column(images[:2])}), moving
        ),
        "a bad image": refusal,
        "json": lambda: over_http(post(inference())),
        "binary over http": lambda: over_http(binary(sized(192), RAW)),
    }


if __name__ == "__main__":
    told = sys.argv[1:]
    print(json.dumps(main(told[0], told[1], Path(told[2]), float(told[3]))))
