"""The explorer's page of 100,000 points with pictures, in headless Chromium.

The rows are square parts of 463 photographs (benchmarks/sets/photographs.py), so real pictures, cut at random; their
vectors are the colours of 8 x 8 squares, their label is the photograph. The page is written by the command in a process
of its own, with its seconds and its peak memory. Then a browser without a network opens the file ROUNDS times, each in
a context of its own. "First picture" is the mark that the page sets when its first picture has been drawn, from the
start of the navigation. A frame is the time of the page's script for one while a mouse drags and a wheel turns; WebGL
is drawn by the processor here, which is not in it.

    python -m benchmarks.explorer DIR      writes the tables and the page to DIR, and no more
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.hardware import peak_mib

NUM_ROWS = 100_000
THUMBNAIL_PX = 32
STORED_PX = 48
SQUARES = 8
ROUNDS = 5
ROWS_PER_PART = 10_000


def run() -> dict[str, Any]:
    from tests.shared.browser import running_chromium

    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {"rows": NUM_ROWS, "thumbnail_px": THUMBNAIL_PX, **_page(Path(folder))}
        with running_chromium() as browser:
            opened = [_opened(browser, Path(folder) / "page.html") for _ in range(ROUNDS)]
    for name in ("first_picture_s", "ready_s", "parsed_s"):
        result[name] = statistics.median(each[name] for each in opened)
    for name in ("pan", "zoom"):
        frames = [value for each in opened for value in each[name]]
        result[name] = {
            "frames": len(frames),
            "median_ms": round(statistics.median(frames), 2),
            "worst_ms": round(max(frames), 2),
        }
    for name in ("recolour_ms", "select_ms", "search_ms", "card_ms"):
        result[name] = round(statistics.median(each[name] for each in opened), 1)
    return result


def _page(folder: Path) -> dict[str, Any]:
    write_tables(folder)
    command = [sys.executable, "-m", "benchmarks.explorer", "page", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"page: {found}", file=sys.stderr, flush=True)
    return found


def write_tables(folder: Path, *, num_rows: int = NUM_ROWS) -> None:
    """`vectors` in part files as scoring writes them, and `images.parquet` with the pictures of the same ids."""
    import pyarrow as pa
    from pyarrow import parquet

    from rows.vectors.lineage import Lineage
    from rows.vectors.parts import write_part
    from rows.vectors.schema import vector_array

    lineage = Lineage(artifact="colours", version=1, digest="", space="colours", distance="euclidean", normalized=False)
    images = None
    folder.mkdir(parents=True, exist_ok=True)
    for number, (ids, labels, pictures, vectors) in enumerate(_parts_of_photographs(num_rows)):
        part = pa.table({"id": ids, "label": labels, "light": vectors.mean(axis=1), "embedding": vector_array(vectors)})
        part = part.replace_schema_metadata(lineage.to_metadata())
        write_part(folder / "vectors" / f"part-{number:05d}.parquet", part)
        table = pa.table({"id": ids, "image": pa.array(pictures, pa.binary())})
        images = images or parquet.ParquetWriter(folder / "images.parquet", table.schema)
        images.write_table(table, row_group_size=1000)
    if images is not None:
        images.close()


def _parts_of_photographs(num_rows: int) -> Iterator[tuple[list[str], list[str], list[bytes], Any]]:
    """ids, labels, JPEGs and float32 [m, SQUARES * SQUARES * 3] of some rows at a time."""
    from benchmarks.sets.photographs import prepare_photographs

    paths = sorted(path for folder in prepare_photographs() for path in folder.glob("*/*.jpg"))
    views = [Image.open(path).convert("RGB") for path in paths]
    random = np.random.default_rng(0)
    for first in range(0, num_rows, ROWS_PER_PART):
        ids, labels, pictures, vectors = [], [], [], []
        for row in range(first, min(first + ROWS_PER_PART, num_rows)):
            at = int(random.integers(len(views)))
            side = int(random.integers(48, 129))
            left, top = (int(random.integers(0, 129 - side)) for _ in range(2))
            picture = views[at].crop((left, top, left + side, top + side)).resize((STORED_PX, STORED_PX))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            ids.append(f"{paths[at].parent.name}/{row:06d}.jpg")
            labels.append(paths[at].parent.name)
            pictures.append(buffer.getvalue())
            small = picture.resize((SQUARES, SQUARES), Image.Resampling.BOX)
            vectors.append(np.asarray(small, np.float32).ravel() / 255)
        yield ids, labels, pictures, np.array(vectors, np.float32)


def write_page(folder: Path) -> dict[str, Any]:
    """The page by the command, in this process: seconds, peak memory and size."""
    from lookalike.cli import main

    started = time.perf_counter()
    options = ["--images", str(folder / "images.parquet"), "--thumbnails", str(THUMBNAIL_PX)]
    page = folder / "page.html"
    out, sys.stdout = sys.stdout, io.StringIO()
    code = main(["explore", str(folder / "vectors"), *options, "--output", str(page), "--json"])
    sys.stdout = out
    if code != 0:
        raise RuntimeError(f"explore ended with {code}")
    seconds = round(time.perf_counter() - started, 1)
    return {"seconds": seconds, "peak_mib": round(peak_mib()), "page_mb": round(page.stat().st_size / 1e6, 1)}


_FRAMES = "() => { const found = window.lookalike.frames.slice(); window.lookalike.frames.length = 0; return found; }"
_MARKS = "() => Object.fromEntries(performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime]))"
_TIMED = """async (name) => {
    const { state, columns, legend, search, card } = window.lookalike, started = performance.now();
    if (name === "recolour") { state.colourBy(columns.numberOf("light")); await legend.draw(); }
    if (name === "select") state.select(Array.from({ length: state.numRows / 2 }, (_, row) => row * 2));
    if (name === "search") await search.run("id:0001");
    if (name === "card") await window.lookalike.pictures.get(Math.floor(state.numRows / 3));
    return performance.now() - started;
}"""


def _opened(browser: Any, page: Path) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.goto(page.resolve().as_uri(), wait_until="commit")
    opened.wait_for_selector("html[data-ready]", timeout=60_000)
    marks = opened.evaluate(_MARKS)
    opened.wait_for_load_state("load", timeout=60_000)
    parsed = opened.evaluate("() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    opened.evaluate(_FRAMES)
    mouse = opened.mouse
    mouse.move(600, 400)
    mouse.down()
    mouse.move(700, 500, steps=40)
    mouse.up()
    pan = opened.evaluate(_FRAMES)
    for _ in range(20):
        mouse.wheel(0, -60)
    opened.evaluate("() => new Promise(requestAnimationFrame)")
    zoom = opened.evaluate(_FRAMES)
    timed = {f"{name}_ms": opened.evaluate(_TIMED, name) for name in ("card", "recolour", "search", "select")}
    context.close()
    return {
        "first_picture_s": round(marks["lookalike-first-picture"] / 1000, 3),
        "ready_s": round(marks["lookalike-ready"] / 1000, 3),
        "parsed_s": round(parsed / 1000, 3),
        "pan": pan,
        "zoom": zoom,
        **timed,
    }


def main(arguments: list[str]) -> None:
    if arguments[0] == "page":
        print(json.dumps(write_page(Path(arguments[1]))))
        return
    write_tables(Path(arguments[0]))
    write_page(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
