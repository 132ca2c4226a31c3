"""The demo: images, train, export, serve, score, search, cluster, evaluate, and pages of what came out.

Each step runs the command that is printed, as a process of its own, so the printed commands are true by construction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.evaluation.tuple_tables import evaluate_tuples, open_tuples
from artifact.atomic import write_atomically
from lookalike import console
from lookalike.demo.data_sets import DATA_SETS, DataSet
from lookalike.demo.gallery import write_gallery
from lookalike.demo.output_folder import claimed
from lookalike.demo.raw_pixels import evaluate_raw_pixels
from lookalike.demo.steps import Steps, running_server, working_folder
from lookalike.demo.triplets import write_triplets

LABEL = "label"
MORE_TRAINING: tuple[str, ...] = ()
"""Options after those of the data set; tests shorten the training here."""
MEASURED = {"recall_at_1": "recall@1", "recall_at_5": "recall@5", "map_at_r": "mAP@R", "kmeans_purity": "purity"}
"""Figures in summary.json, and what `lookalike evaluate` calls them."""
TITLES = {"recall_at_1": "recall@1", "recall_at_5": "recall@5", "map_at_r": "mAP@R", "kmeans_purity": "k-means purity"}


def run_demo(data: str, output: Path) -> dict[str, Any]:
    """Run the whole journey into `output`; returns what stands in its summary.json.

    Args:
        data: a name in DATA_SETS.
        output: a new or empty folder, or an earlier demo's, which is replaced.

    Raises:
        OutputError: the folder holds something else, or another demo is running in it.
        LookalikeError: the images could not be had, or a step failed; its own message stands above.
    """
    chosen, steps = DATA_SETS[data], Steps()
    if chosen.prepare is not None:  # may fail for want of network: before an earlier demo's folder is emptied
        title, prepare = chosen.prepare
        with steps.step("prepare", title):
            console.out.print(f"  {prepare()}")
    output = working_folder(output.absolute())
    with claimed(output):
        return _journey(chosen, output, steps)


def _journey(data: DataSet, output: Path, steps: Steps) -> dict[str, Any]:
    with steps.step("images", "1. Images in class folders"):
        train, held_out = data.write(output / "images")
        triplets = write_triplets(held_out, output / "triplets.csv")
        num_train, num_held_out = (sum(1 for _ in folder.glob("*/*.png")) for folder in (train, held_out))
        console.out.print(f"  {train}: {num_train:,} to train; {held_out}: {num_held_out:,} {data.unseen}")
    run, repository = output / "runs" / data.name, output / "repository"
    with steps.step("train", "2. Train a triplet model"):
        trained = steps.run("train", train, *data.training, *MORE_TRAINING, "--output", run)
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
        index = output / f"{data.name}.index"
        steps.run("index", vectors, "--output", index)
        image = sorted(held_out.glob("*/*.png"))[-1]
        steps.run("search", index, image, "-k", 5, "--model", branch["name"], "--repository", repository)
    with steps.step("cluster", "6. Cluster"):
        num_classes = sum(1 for folder in held_out.iterdir() if folder.is_dir())
        steps.run("cluster", vectors, "-k", num_classes, "--output", output / "clusters.parquet")
    with steps.step("evaluate", "7. Evaluate, beside raw pixels"):
        measured = steps.run("evaluate", vectors, "--label", LABEL)
        ordered = evaluate_tuples(open_tuples(pairs))
        raw = evaluate_raw_pixels(held_out, described["preprocessing"], clusters=data.clusters)
        compared = [name for name, key in MEASURED.items() if key in raw]
    summary: dict[str, Any] = {
        "data": data.name,
        "num_images": num_train + num_held_out,
        "num_train": num_train,
        "num_held_out": measured["num_rows"],
        "num_held_out_classes": measured["num_classes"],
        "kind": trained["kind"],
        "embedding_dim": trained["embedding_dim"],
        "distance": described["distance"],
        **{name: measured[key] for name, key in MEASURED.items()},
        **{f"{name}_raw_pixels": raw[MEASURED[name]] for name in compared},
        "ranking_accuracy": ordered["ranking_accuracy"],
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
        titles = {TITLES[name]: name for name in compared}
        write_gallery(output / "gallery.html", vectors, held_out, summary, label=LABEL, compared=titles)
        console.out.print(f"  {output / 'gallery.html'}")
    with steps.step("explore", "9. A page to look around in"):
        steps.run("explore", vectors, "--title", f"held-out {data.name}", "--output", output / "explorer.html")
    summary["seconds"] = steps.seconds
    write_atomically(output / "summary.json", (console.json_text(summary) + "\n").encode())
    _print_summary(summary, output, data.unseen, titles)
    return summary


def _print_summary(summary: dict[str, Any], output: Path, unseen: str, titles: dict[str, str]) -> None:
    console.out.print()
    console.print_table(
        (f"on {summary['num_held_out']:,} {unseen}", "embedding", "raw pixels"),
        [(title, summary[name], summary[f"{name}_raw_pixels"]) for title, name in titles.items()],
    )
    seconds = summary["seconds"]
    console.out.print(f"\n{sum(seconds.values()):.0f} s in all; {output / 'gallery.html'} shows the neighbours,")
    console.out.print(f"{output / 'explorer.html'} is a map to look around in,")
    console.out.print(f"{output / 'summary.json'} holds the figures.")
