"""Colours, legend, filters and search of the explorer's page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from tests.shared.explored_digits import ExplorerPage


def _rows(digits: Path) -> list[dict[str, object]]:
    return parquet.read_table(digits / "digits.parquet").drop_columns("embedding").to_pylist()


def _colours(opened: ExplorerPage) -> np.ndarray:
    return np.array(opened.ask("Array.from(a.scatter.colours)")).reshape(-1, 4)[:, :3]


def _colour_by(opened: ExplorerPage, name: str) -> None:
    opened.page.select_option("#colour", label=name)
    opened.page.wait_for_selector("#legend >> nth=0")
    opened.settle()


def _name(opened: ExplorerPage, name: str) -> Any:
    return opened.page.locator(f"#legend .label:has(.cell:text-is('{name}'))")


def test_explorer_colours_by_any_column_but_texts(opened: ExplorerPage) -> None:
    """Categories, numbers, booleans and dates can be coloured by; a column of texts is not offered."""
    names = opened.page.locator("#colour option").all_inner_texts()
    assert names == ["one colour", "label", "ink", "loops", "written"]


def test_explorer_colours_categories_alike(opened: ExplorerPage, digits: Path) -> None:
    """Rows of one label have one colour, rows of two have two."""
    colours = _colours(opened)
    by_label: dict[object, set[tuple[int, ...]]] = {}
    for row, each in enumerate(_rows(digits)):
        by_label.setdefault(each["label"], set()).add(tuple(colours[row].tolist()))
    assert all(len(found) == 1 for found in by_label.values())
    assert len({next(iter(found)) for found in by_label.values()}) == 10


def test_explorer_colours_numbers_by_a_ramp_and_nothing_grey(opened: ExplorerPage, digits: Path) -> None:
    """More ink is darker on paper, by the ramp of every page; a row without a number is grey."""
    _colour_by(opened, "ink")
    colours, ink = _colours(opened).astype(float), [row["ink"] for row in _rows(digits)]
    grey = opened.ask("a.palette.absent")
    missing = [row for row, value in enumerate(ink) if value is None]
    assert (colours[missing] == grey).all()
    known = np.array([row for row, value in enumerate(ink) if value is not None])
    order = known[np.argsort(np.array([ink[row] for row in known]))]
    light = colours[order] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) < 2).all()
    assert light[0] - light[-1] > 100
    assert "24 rows without a number" in opened.page.locator("#legend").inner_text()


def test_explorer_legend_hides_a_name_and_shows_it_alone(opened: ExplorerPage, digits: Path) -> None:
    """A click on a name mutes its rows, a double click all others; the chip takes the filter away."""
    labels = [row["label"] for row in _rows(digits)]
    three = [row for row, label in enumerate(labels) if label == "3"]
    _name(opened, "3").click()
    opened.settle()
    assert opened.muted() == three
    opened.page.click("#filters .chip")
    opened.settle()
    assert opened.muted() == []
    _name(opened, "3").dblclick()
    opened.settle()
    assert opened.shown() == three


def test_explorer_range_of_numbers_filters(opened: ExplorerPage, digits: Path) -> None:
    """Typing the ends, or dragging across the histogram, mutes what is outside and what has no number."""
    _colour_by(opened, "ink")
    ink = np.array([np.nan if row["ink"] is None else row["ink"] for row in _rows(digits)])
    low = float(np.nanmedian(ink))
    opened.page.fill("#legend input[aria-label=from]", str(low))
    opened.page.keyboard.press("Enter")
    opened.settle()
    assert opened.shown() == np.flatnonzero(ink >= low).tolist()
    opened.page.click("#filters .chip")
    box = opened.page.locator("#legend .histogram").bounding_box()
    y = box["y"] + 20
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, y)
    opened.page.mouse.up()
    opened.settle()
    found = ink[opened.shown()]
    span = np.nanmax(ink) - np.nanmin(ink)
    assert found.min() >= np.nanmin(ink) + 0.22 * span
    assert found.max() <= np.nanmin(ink) + 0.53 * span
    assert len(found) > 20


def test_explorer_filters_of_two_columns_hold_together(opened: ExplorerPage, digits: Path) -> None:
    """A filter stays when another column is coloured by, and both must let a row through."""
    _name(opened, "8").click()
    _colour_by(opened, "loops")
    _name(opened, "false").click()
    opened.settle()
    rows = _rows(digits)
    assert opened.shown() == [at for at, row in enumerate(rows) if row["loops"] and row["label"] != "8"]


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("png", lambda row: ".png" in row["id"] or "png" in row["note"]),
        ("label:3", lambda row: row["label"] == "3"),
        ("LABEL:3 id:12", lambda row: row["label"] == "3" and "12" in row["id"]),
        ("ink:>40", lambda row: row["ink"] is not None and row["ink"] > 40),
        ("ink:<=20 loops:true", lambda row: row["ink"] is not None and row["ink"] <= 20 and row["loops"]),
        ("written:<2025-01-01", lambda row: row["written"].year == 2024),
        ('note:"a line"', lambda row: "a line" in row["note"]),
        ("</script>", lambda row: "</script>" in row["note"]),
        ("עולם", lambda row: "עולם" in row["note"]),
        ("手書き", lambda row: "手書き" in row["note"]),
        ("nowhere:at", lambda row: False),
        ('"" label:3', lambda row: row["label"] == "3"),
        ('label:3 ""', lambda row: row["label"] == "3"),
        ('ink:""', lambda row: row["ink"] is None),
        ('label:""', lambda row: False),
        ('note:"" ', lambda row: False),
        ('id:""', lambda row: False),
        ('nowhere:""', lambda row: False),
        ("c:/x", lambda row: False),
    ],
)
def test_explorer_search_finds_as_a_plain_loop_does(
    opened: ExplorerPage, digits: Path, query: str, holds: object
) -> None:
    """Words in ids and columns, one column by its name, numbers and dates compared, empty cells, all terms together."""
    opened.page.fill("#search", query)
    opened.page.wait_for_selector("#found:has-text('match')")
    expected = [at for at, row in enumerate(_rows(digits)) if holds(row)]
    assert opened.shown() == expected
    assert opened.muted() == sorted(set(range(240)) - set(expected))


def test_explorer_search_selects_with_enter_and_empties(opened: ExplorerPage) -> None:
    """Enter makes the matches the selection; an emptied box shows everything again."""
    opened.page.fill("#search", "label:7")
    opened.page.press("#search", "Enter")
    opened.settle()
    assert opened.selected() == opened.shown() != []
    opened.page.fill("#search", "")
    opened.settle()
    opened.page.wait_for_selector("#found:not(:has-text('match'))", state="attached")
    assert len(opened.shown()) == 240


@pytest.mark.parametrize("query", ['""', '"" ""', " "])
def test_explorer_search_for_nothing_shows_everything(opened: ExplorerPage, query: str) -> None:
    """Words without a letter let every row through, typed as in an address."""
    opened.page.fill("#search", "label:7")
    opened.page.wait_for_selector("#found:has-text('match')")
    opened.page.fill("#search", query)
    opened.page.wait_for_selector("#found:not(:has-text('match'))", state="attached")
    assert len(opened.shown()) == 240
    assert opened.page.input_value("#search") == query
