"""Keys of the explorer's page: walking, leaving, dialogs, and the focus that stays where the user has put it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from tests.shared.explored_digits import ExplorerPage


def _focus(opened: ExplorerPage) -> str:
    """The element with the focus: its id, or its label."""
    return str(
        opened.ask(
            "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent"
        )
    )


def _label(opened: ExplorerPage, name: str) -> Any:
    return opened.page.locator(f"#legend .label:has(.cell:text-is('{name}'))")


def _colour_by_ink(opened: ExplorerPage) -> None:
    opened.page.select_option("#colour", label="ink")
    opened.page.wait_for_selector("#legend .histogram")
    opened.settle()


def _towards_the_right(opened: ExplorerPage, row: int, rows: list[int]) -> int | None:
    """Of some rows the one near and within 60 degrees of the direction, by a plain loop over the screen."""
    places, best, found = opened.places(), np.inf, None
    for other in rows:
        x, y = places[other] - places[row]
        apart = np.hypot(x, y)
        if other != row and x > 0 and x >= apart / 2 and apart**2 / x < best:
            best, found = apart**2 / x, other
    return found


def _pin(opened: ExplorerPage, row: int) -> list[int]:
    """Pin a row; its neighbours."""
    opened.ask("a.state.pin(v)", row)
    opened.page.wait_for_selector("#panel-point .neighbour", state="attached")
    return list(opened.ask("a.overlay.neighbours.map((near) => near.row)"))


def test_explorer_arrows_walk_to_a_neighbour_in_their_direction(opened: ExplorerPage) -> None:
    """To the neighbour most to the right; where there is none to the row that is; at the last row nowhere."""
    kinds = set()
    order = np.argsort(opened.places()[:, 0])
    for row in [*order[::30].tolist(), int(order[-1])]:
        neighbours = _pin(opened, row)
        near = _towards_the_right(opened, row, neighbours)
        expected = near if near is not None else _towards_the_right(opened, row, list(range(240)))
        kinds.add("neighbour" if near is not None else "row" if expected is not None else "none")
        opened.page.locator("#overlay").focus()
        opened.page.keyboard.press("ArrowRight")
        assert opened.ask("a.state.pinned") == (row if expected is None else expected)
        opened.page.keyboard.press("Escape")
    assert kinds >= {"neighbour", "none"}


def test_explorer_keys_select_and_leave(opened: ExplorerPage) -> None:
    """Enter selects the pinned row, Esc unpins and then clears, / goes to the search."""
    opened.page.locator("#overlay").focus()
    opened.page.keyboard.press("ArrowRight")
    pinned = opened.ask("a.state.pinned")
    assert pinned >= 0
    assert opened.page.locator("#panel-point").is_visible()
    opened.page.keyboard.press("Enter")
    assert opened.selected() == [pinned]
    opened.page.keyboard.press("Escape")
    assert opened.ask("a.state.pinned") == -1
    opened.page.keyboard.press("Escape")
    assert opened.selected() == []
    opened.page.keyboard.press("/")
    assert _focus(opened) == "search"


def test_explorer_keys_do_nothing_behind_a_dialog(opened: ExplorerPage) -> None:
    """With the help open no key selects, inverts, zooms or chooses a tool; Esc closes it and takes nothing back."""
    opened.ask("(a.state.select([4, 5]), a.state.pin(4), true)")
    opened.page.keyboard.press("?")
    for key in ("a", "i", "l", "0", "/", "ArrowRight"):
        opened.page.keyboard.press(key)
    assert opened.page.locator("#help").is_visible()
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_selector("#help", state="hidden")
    assert opened.selected() == [4, 5]
    assert opened.ask("[a.state.pinned, a.tools.tool]") == [4, "pan"]


def test_explorer_escape_in_a_box_leaves_the_box_alone(opened: ExplorerPage) -> None:
    """What is selected, pinned and filtered stays; the next Esc, on the map, unpins."""
    _colour_by_ink(opened)
    opened.ask("(a.state.select([4, 5]), a.state.pin(4), true)")
    for box in ("#legend input[aria-label=from]", "#colour", "#point-size", "#search"):
        opened.page.focus(box)
        opened.page.keyboard.press("Escape")
        assert opened.ask("document.activeElement === document.body")
        assert opened.selected() == [4, 5]
        assert opened.ask("a.state.pinned") == 4
    opened.page.keyboard.press("Escape")
    assert opened.ask("a.state.pinned") == -1


def test_explorer_legend_keeps_the_focus_and_shows_a_name_alone(opened: ExplorerPage, digits: Path) -> None:
    """Enter hides a name and shows it again from where it is; Shift+Enter shows it alone."""
    labels = parquet.read_table(digits / "digits.parquet")["label"].to_pylist()
    three = [row for row, label in enumerate(labels) if label == "3"]
    _label(opened, "3").focus()
    for shown in (sorted(set(range(240)) - set(three)), list(range(240))):
        opened.page.keyboard.press("Enter")
        assert opened.shown() == shown
        assert _label(opened, "3").get_attribute("aria-pressed") == str(len(shown) == 240).lower()
        assert _focus(opened).startswith("3")
    opened.page.keyboard.press("Shift+Enter")
    assert opened.shown() == three
    assert _focus(opened).startswith("3")


@pytest.mark.parametrize("way", ["Tab", "click"])
def test_explorer_typed_ends_keep_the_focus(opened: ExplorerPage, digits: Path, way: str) -> None:
    """From the low end the keys or a click go on to the high one, and its digits are no shortcuts."""
    _colour_by_ink(opened)
    opened.ask("(a.camera.zoomAt(2), true)")
    opened.page.focus("#legend input[aria-label=from]")
    opened.page.keyboard.type("20")
    if way == "Tab":
        opened.page.keyboard.press("Tab")
    else:
        opened.page.click("#legend input[aria-label=to]")
    assert _focus(opened) == "to"
    opened.page.keyboard.type("40")
    opened.page.keyboard.press("Enter")
    assert _focus(opened) == "to"
    ink = parquet.read_table(digits / "digits.parquet")["ink"].to_pylist()
    assert opened.shown() == [row for row, value in enumerate(ink) if value is not None and 20 <= value <= 40]
    assert opened.ask("a.camera.zoom") == 2
    opened.page.click("#filters .chip")
    assert opened.page.input_value("#legend input[aria-label=from]") == ""
    assert opened.page.input_value("#legend input[aria-label=to]") == ""


def test_explorer_chips_are_pressed_while_an_end_is_typed(opened: ExplorerPage) -> None:
    """A press on a chip takes its filter away at once, and the chip gives the focus on, at last to the map."""
    _label(opened, "3").click()
    _colour_by_ink(opened)
    opened.page.focus("#legend input[aria-label=from]")
    opened.page.keyboard.type("20")
    opened.page.click("#filters .chip:has-text('label')")
    assert opened.page.locator("#filters .chip").count() == 1
    assert opened.page.locator("#filters .chip").text_content().startswith("ink: 20 ")
    assert "ink" in _focus(opened)
    opened.page.keyboard.press("Enter")
    assert len(opened.shown()) == 240
    assert _focus(opened) == "overlay"


def test_explorer_going_to_a_row_leaves_the_focus_on_the_map(opened: ExplorerPage) -> None:
    """A neighbour or a tile that was pressed is gone: arrows walk on from the row."""
    opened.page.click("#gallery .tile >> nth=3")
    assert _focus(opened) == "overlay"
    opened.page.wait_for_selector("#panel-point .neighbour")
    opened.page.focus("#panel-point .neighbour >> nth=1")
    opened.page.keyboard.press("Enter")
    assert _focus(opened) == "overlay"
