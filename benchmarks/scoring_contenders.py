"""One way of turning a folder of photographs into vectors, in a process of its own: how long it took, and the vectors.

    python -m benchmarks.scoring_contenders NAME HOME FOLDER...

HOME holds run/, models/, plain.onnx and the file `urls` (see benchmarks/scoring.py). Every contender is warmed up on 64
images first; loading libraries and networks is not counted. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from artifact.images.preprocessing import load_pixels
from benchmarks.scoring_data import MODEL, SIZE_PX, plain_network

BATCH, WARM_UP = 32, 64
_LIMIT_IMAGES, _LIMIT_BATCHES = 480, (8, 32)
"""The faster of the two batches counts for the limit."""
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
Answer = dict[str, Any]


def limit(home: Path, folders: list[Path]) -> Answer:
    """Processor seconds of decoding and resizing, and of onnxruntime, apart: alone, and with every core at it."""
    from artifact.images.cores import available_cores
    from serving.engine import Engine

    paths = images_of(folders)[:_LIMIT_IMAGES]
    engine = Engine(home / "models" / MODEL / "1" / "model.onnx", threads=1)
    spec = engine.manifest.pixels
    warm = np.stack([load_pixels(path.read_bytes(), spec) for path in paths[:BATCH]])
    engine.run({"image": warm})

    def decode(path: Path) -> None:
        load_pixels(path.read_bytes(), spec)

    def network(batch: Any) -> None:
        engine.run({"image": batch})

    cores = available_cores()
    answer: Answer = {"cores": cores}
    for name, threads in (("alone", 1), ("together", cores)):
        decoding = processor_seconds(decode, paths, threads) / len(paths)
        networks = {
            size: processor_seconds(network, [warm[:size]] * (len(paths) // size), threads)
            / (len(paths) // size * size)
            for size in _LIMIT_BATCHES
        }
        answer[name] = {
            "decode_ms": 1e3 * decoding,
            "network_ms": 1e3 * min(networks.values()),
            "images_per_s": cores / (decoding + min(networks.values())),
        }
    return answer


def processor_seconds(work: Callable[[Any], None], items: list[Any], threads: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        started = time.process_time()
        list(pool.map(work, items))
        return time.process_time() - started


def in_process(home: Path, folders: list[Path]) -> Answer:
    return job(folders, repository=home / "models")


def grpc(home: Path, folders: list[Path], server: str = "lookalike", **options: Any) -> Answer:
    return job(folders, url=urls(home)[server], **options)


def job(folders: list[Path], **options: Any) -> Answer:
    """The job that `lookalike score` runs, table of vectors included."""
    from rows.tables import open_table
    from rows.vectors.table import VectorTable
    from serving.client.scorer import Scorer
    from serving.jobs.scoring import score_table

    with tempfile.TemporaryDirectory() as output, Scorer(MODEL, **options) as scorer:
        scorer.embed(images_of(folders)[:WARM_UP])
        folder = folders[0] if len(folders) == 1 else folders[0].parent
        started = time.perf_counter()
        result = score_table(open_table(folder), scorer, Path(output) / "out")
        seconds = time.perf_counter() - started
        vectors = VectorTable.open(Path(output) / "out").matrix[:BATCH]
        return {
            "seconds": seconds,
            "images": result.num_scored,
            "vectors": vectors.tolist(),
            "how": f"{scorer.sending}, {scorer.batch_size} images a request",
        }


def naive(home: Path, folders: list[Path]) -> Answer:
    """The loop that most people write first: Pillow, and tritonclient with one image a request, in FP32."""
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(urls(home)["bare"])

    def embed(path: Path) -> Any:
        tensor = triton.InferInput("image", [1, 3, SIZE_PX, SIZE_PX], "FP32")
        tensor.set_data_from_numpy(by_pillow(path)[None])
        return client.infer("plain", [tensor]).as_numpy("embedding")[0]

    return timed(lambda paths: [embed(path) for path in paths], images_of(folders))


def data_loader(home: Path, folders: list[Path]) -> Answer:
    """torch: a DataLoader over Pillow, and the same network under inference_mode; two workers were faster than one."""
    import torch
    from torch.utils.data import DataLoader

    network = plain_network(home / "run")

    def embed(paths: list[Path]) -> Iterator[Any]:
        with torch.inference_mode():
            for batch in DataLoader(Photographs(paths), batch_size=BATCH, num_workers=2):
                yield from network(batch).numpy()

    return timed(lambda paths: list(embed(paths)), images_of(folders))


class Photographs:
    """A map-style data set of float32 [3, H, W]."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        import torch

        return torch.from_numpy(by_pillow(self.paths[index]))


def by_pillow(path: Path) -> Any:
    """float32 [3, H, W], normalised."""
    from PIL import Image

    image = Image.open(path).convert("RGB").resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
    values = (np.asarray(image, np.float32) / 255.0 - MEAN) / STD
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def timed(embed: Callable[[list[Path]], list[Any]], paths: list[Path]) -> Answer:
    embed(paths[:WARM_UP])
    started = time.perf_counter()
    vectors = embed(paths)
    return {
        "seconds": time.perf_counter() - started,
        "images": len(vectors),
        "vectors": np.array(vectors[:BATCH]).tolist(),
    }


def images_of(folders: list[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.iterdir())]


def urls(home: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads((home / "urls").read_text())
    return read


CONTENDERS: dict[str, Callable[[Path, list[Path]], Answer]] = {
    "limit": limit,
    "in_process": in_process,
    "grpc": grpc,
    "grpc_encoded": lambda home, folders: grpc(home, folders, send="encoded"),
    "grpc_tuned": lambda home, folders: grpc(home, folders, "tuned"),
    "naive": naive,
    "data_loader": data_loader,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("home", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    given = parser.parse_args()
    print(json.dumps(CONTENDERS[given.name](given.home, given.folders)))
