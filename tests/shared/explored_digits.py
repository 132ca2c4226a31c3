"""Real digits as a table of vectors and a folder of pictures, and the explorer's page of them as tests drive it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from lookalike.demo.digits import _read as read_digits
from tests.shared.browser import Pages

NUM_ROWS = 240
HOSTILE = (
    '</script><script>window.spoilt = "id"</script>',
    "<img src=x onerror=\"window.spoilt='img'\">",
    "\"quoted\", 'twice'; and\na line",
    "=cmd|' /C calc'!A0",
    "שלום עולם / مرحبا",
    "数字/手書き-☃.png",
    "{{ 7 * 7 }} ${window.spoilt=1} \\u003c",
    "a\0b\x01c",
)


def digits_table(folder: Path, *, num_rows: int = NUM_ROWS, first: int = 0, name: str = "digits") -> Path:
    """Write pictures of handwritten digits, and their vectors: the pixels of 7 x 7 means.

    Columns: id, label, ink (numbers, every tenth empty), loops (boolean), written (dates), note (texts, all different).
    """
    pixels, labels = read_digits()
    rows = np.random.default_rng(0).permutation(len(pixels))[first : first + num_rows]
    pixels, labels = pixels[rows], labels[rows]
    ids = [f"{label}/{row:04d}.png" for label, row in zip(labels, rows, strict=True)]
    for identity, picture in zip(ids, pixels, strict=True):
        path = folder / "images" / identity
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    vectors = digit_vectors(pixels)
    ink = pixels.mean(axis=(1, 2)).astype(np.float64)
    days = np.datetime64("2024-01-01") + rows.astype("timedelta64[D]")
    table = pa.table(
        {
            "id": ids,
            "label": [str(label) for label in labels],
            "ink": pa.array(ink, mask=np.arange(num_rows) % 10 == 9),
            "loops": np.isin(labels, (0, 6, 8, 9)),
            "written": pa.array(days.astype("datetime64[D]")),
            "note": [f"{HOSTILE[row % len(HOSTILE)]} no {row}" for row in range(num_rows)],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
        }
    )
    path = folder / f"{name}.parquet"
    parquet.write_table(table, path)
    return path


def digit_vectors(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """float32 [N, 49]."""
    return pixels.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(len(pixels), 49).astype(np.float32)


class ExplorerPage:
    """An explorer's page in a browser, asked and moved as a user does; rows have their places on the screen.

    Attributes:
        page: the `playwright.sync_api.Page`.
    """

    def __init__(self, pages: Pages, path: Path, **options: Any) -> None:
        self.page = pages.open(path, **options)
        self.page.wait_for_selector("html[data-ready]")

    def reset(self) -> None:
        """As the page was when it was opened."""
        self.page.mouse.move(2, 2)
        self.ask(
            "(a.columns.load(0), a.state.clearFilters(), a.state.clearSelection(), a.state.pin(-1), a.state.hover(-1), "
            "a.state.colourBy(0), a.state.openTab('selection'), a.tools.cancel(), a.tools.choose('pan'), "
            "a.tools.combine('replace'), a.overlay.showPictures = false, document.activeElement.blur(), "
            "a.camera.fit(), true)"
        )
        self.settle()

    def ask(self, expression: str, value: Any = None) -> Any:
        """What an expression of the page gives; `a` is its app, `v` the value."""
        return self.page.evaluate(f"(v) => {{ const a = window.lookalike; return ({expression}); }}", value)

    def at(self, row: int) -> tuple[float, float]:
        """Where a row is in the window, in pixels."""
        box = self.page.locator("#overlay").bounding_box()
        found = self.ask("a.overlay.at(v)", row)
        return box["x"] + found["x"], box["y"] + found["y"]

    def places(self) -> npt.NDArray[np.float64]:
        """float64 [N, 2] of all rows in the window, in pixels."""
        box = self.page.locator("#overlay").bounding_box()
        found = self.ask(
            "Array.from({length: a.state.numRows}, (_, row) => [a.overlay.at(row).x, a.overlay.at(row).y])"
        )
        return np.array(found, np.float64) + np.array([box["x"], box["y"]])

    def selected(self) -> list[int]:
        """Row numbers of the selection."""
        return self.ask("Array.from(a.state.selected).flatMap((each, row) => each ? [row] : [])")

    def shown(self) -> list[int]:
        """Row numbers that filters and search let through."""
        return self.ask("Array.from(a.state.shown).flatMap((each, row) => each ? [row] : [])")

    def muted(self) -> list[int]:
        """Row numbers that are drawn faint."""
        return self.ask("Array.from(a.scatter.looks).flatMap((look, row) => look < 6 ? [row] : [])")

    def settle(self) -> None:
        """Wait until the page has drawn what it was told, flights and typing included."""
        self.page.evaluate(
            """() => new Promise((resolve) => {
                let last = "";
                let still = 0;
                const look = () => {
                    const { camera, state } = window.lookalike;
                    const now = [camera.x, camera.y, camera.zoom, state.numShown, state.numSelected].join(" ");
                    still = now === last ? still + 1 : 0;
                    last = now;
                    if (still > 8) resolve(); else requestAnimationFrame(look);
                };
                look();
            })"""
        )

    def lone_row(self) -> int:
        """A row that stands apart from all others on the screen and well inside it."""
        places = self.places()
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        size = self.page.viewport_size
        inside = (places[:, 0] > 420) & (places[:, 0] < size["width"] - 480)
        inside &= (places[:, 1] > 150) & (places[:, 1] < size["height"] - 150)
        return int(np.where(inside, apart.min(axis=1), -1).argmax())
