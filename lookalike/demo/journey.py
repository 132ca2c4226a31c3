"""The demo: images, train, export, serve, score, search, cluster, evaluate, and a gallery of what came out.

Each step runs the command that is printed, as a process of its own, so the printed commands are true by construction.
"""

from __future__ import annotations

import csv
import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from artifact.atomic import write_atomically
from artifact.errors import LookalikeError, OutputError
from lookalike import console
from lookalike.demo.digits import write_digits
from lookalike.demo.gallery import write_gallery
from lookalike.demo.steps import Steps, running_server, working_folder

MARK = ".lookalike-demo"
NAME = "digits"
LABEL = "label"
NUM_CLASSES = 10
TRAINING = ("--kind", "triplet")


def run_demo(data: str, output: Path) -> dict[str, Any]:
    """Run the whole journey into `output`; returns what stands in its summary.json.

    Raises:
        OutputError: the folder holds something else, or another demo is running in it.
        LookalikeError: a step failed; its own message stands above.
    """
    output = working_folder(output.absolute())
    with _claimed(output):
        return _journey(data, output)


def _journey(data: str, output: Path) -> dict[str, Any]:
    steps = Steps()
    with steps.step("images", "1. Images in class folders"):
        train, held_out = write_digits(output / "images")
        triplets = write_triplets(held_out, output / "triplets.csv")
        console.out.print(f"  {train}: 4,000 to train; {held_out}: 1,000 never seen in training")
    run, repository = output / "runs" / NAME, output / "repository"
    with steps.step("train", "2. Train a triplet model"):
        trained = steps.run("train", train, *TRAINING, "--output", run)
    with steps.step("export", "3. Export it, one image in (branch) and three streams in (full)"):
        branch = steps.run("export", run, "--as", "branch", "--repository", repository)
        full = steps.run("export", run, "--as", "full", "--repository", repository)
        described = steps.run("describe", branch["name"], "--repository", repository)
    vectors, pairs = output / "vectors" / "branch", output / "vectors" / "full"
    title = "4. Serve it, and score the held-out images through gRPC in both modes"
    with steps.step("serve_and_score", title), running_server(repository) as url:
        steps.run("score", held_out, "--model", branch["name"], "--url", url, "--output", vectors)
        steps.run("score", triplets, "--model", full["name"], "--url", url, "--output", pairs)
    with steps.step("search", "5. Search"):
        index = output / f"{NAME}.index"
        steps.run("index", vectors, "--output", index)
        image = sorted(held_out.glob("*/*.png"))[-1]
        steps.run("search", index, image, "-k", 5, "--model", branch["name"], "--repository", repository)
    with steps.step("cluster", "6. Cluster"):
        steps.run("cluster", vectors, "-k", NUM_CLASSES, "--output", output / "clusters.parquet")
    with steps.step("evaluate", "7. Evaluate, beside raw pixels"):
        measured = steps.run("evaluate", vectors, "--label", LABEL)
        raw = evaluate_raw_pixels(held_out)
    summary: dict[str, Any] = {
        "data": data,
        "num_images": sum(1 for _ in (output / "images").glob("*/*/*.png")),
        "num_train": sum(1 for _ in train.glob("*/*.png")),
        "num_held_out": measured["num_rows"],
        "kind": trained["kind"],
        "embedding_dim": trained["embedding_dim"],
        "distance": described["distance"],
        "recall_at_1": measured["recall@1"],
        "recall_at_1_raw_pixels": raw["recall@1"],
        "map_at_r": measured["mAP@R"],
        "map_at_r_raw_pixels": raw["mAP@R"],
        "kmeans_purity": measured["purity"],
        "kmeans_purity_raw_pixels": raw["purity"],
        "ranking_accuracy": ranking_accuracy(pairs),
        "threshold": trained["threshold"],
        "parity_max_abs": max(branch["parity"]["max_abs"], full["parity"]["max_abs"]),
        "digest": branch["digest"],
        "digest_full": full["digest"],
        "vectors": vectors.relative_to(output).as_posix(),
        "vectors_full": pairs.relative_to(output).as_posix(),
        "label_column": LABEL,
        "repository": repository.relative_to(output).as_posix(),
        "model_names": [branch["name"], full["name"]],
    }
    with steps.step("gallery", "8. A page to look at"):
        write_gallery(output / "gallery.html", vectors, held_out, summary, label=LABEL)
        console.out.print(f"  {output / 'gallery.html'}")
    summary["seconds"] = steps.seconds
    write_atomically(output / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    _print_summary(summary, output)
    return summary


def write_triplets(held_out: Path, file: Path, *, num_rows: int = 1000, seed: int = 0) -> Path:
    """A table of anchor, positive and negative image paths (relative to the table) drawn from class folders."""
    random = np.random.default_rng(seed)
    classes = {folder.name: sorted(folder.iterdir()) for folder in sorted(held_out.iterdir()) if folder.is_dir()}
    names = list(classes)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "anchor", "positive", "negative"])
        for row in range(num_rows):
            same, other = random.choice(len(names), 2, replace=False)
            a, p = random.choice(len(classes[names[same]]), 2, replace=False)
            n = random.integers(len(classes[names[other]]))
            paths = (classes[names[same]][a], classes[names[same]][p], classes[names[other]][n])
            writer.writerow([row, *(path.relative_to(file.parent).as_posix() for path in paths)])
    return file


def evaluate_raw_pixels(held_out: Path) -> dict[str, Any]:
    """The same figures with the pixels themselves as vectors: what the embedding has to beat."""
    from analysis.clusters import kmeans
    from analysis.metrics import clustering_metrics, retrieval_metrics
    from artifact.preprocessing import decode_image

    paths = sorted(held_out.glob("*/*.png"))
    grey = np.stack([decode_image(path.read_bytes())[:, :, 0].ravel() for path in paths])
    pixels = (grey / np.float32(255)).astype(np.float32)
    labels = np.array([path.parent.name for path in paths])
    clusters = kmeans(pixels, NUM_CLASSES)
    metrics = retrieval_metrics(pixels, labels, distance="euclidean")
    return metrics | clustering_metrics(clusters.assignments, labels)


def ranking_accuracy(folder: Path) -> float:
    """Share of triplets whose anchor is nearer to the positive than to the negative."""
    import pyarrow.parquet as pq

    columns = ["distance_anchor_positive", "distance_anchor_negative"]
    parts = [pq.read_table(part, columns=columns) for part in sorted(folder.glob("part-*.parquet"))]
    near, far = (np.concatenate([part[column].to_numpy() for part in parts]) for column in columns)
    return float(np.mean(near < far))


@contextmanager
def _claimed(output: Path) -> Iterator[None]:
    """Take a new or empty folder, or replace what an earlier demo left there; never two demos at once."""
    mark = output / MARK
    if output.exists() and not output.is_dir():
        raise OutputError("demo output", expected="a folder", got="a file", where=output, mend="name another --output")
    if output.is_dir() and any(output.iterdir()) and not mark.exists():
        raise OutputError(
            "demo output",
            expected="a new or empty folder",
            got="other files",
            where=output,
            mend="name another --output",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        stream = mark.open("w")
    except OSError as error:
        raise OutputError("demo output cannot be written", got=error.strerror, where=output) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LookalikeError(
                "another demo is running in this folder", where=output, mend="wait for it, or name another --output"
            ) from None
        for left in output.iterdir():
            if left.name == MARK:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield


def _print_summary(summary: dict[str, Any], output: Path) -> None:
    console.out.print()
    console.print_table(
        ("on 1,000 held-out digits", "embedding", "raw pixels"),
        [
            (title, summary[key], summary[f"{key}_raw_pixels"])
            for title, key in (
                ("recall@1", "recall_at_1"),
                ("mAP@R", "map_at_r"),
                ("k-means purity", "kmeans_purity"),
            )
        ],
    )
    seconds = summary["seconds"]
    console.out.print(f"\n{sum(seconds.values()):.0f} s in all; {output / 'gallery.html'} shows the neighbours,")
    console.out.print(f"{output / 'summary.json'} holds the figures.")
