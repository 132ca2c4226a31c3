"""The explorer served with a model of attributes: what is written lands at its place, in a real browser too."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage
from tests.shared.served_digits import Asked, scored_digits, serving
from tests.shared.tiny_attribute_tower import publish_attributes
from tests.shared.two_tower_models import vectors_of


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Vectors of digits, and the attribute tower of their space."""
    folder: Path = scored_digits(tmp_path_factory.mktemp("attributes"), num_rows=40)
    publish_attributes(folder / "models")
    with serving(folder, model="tiny_attributes") as server:
        yield server


def test_attributes_in_words_find_their_neighbours(asked: Asked) -> None:
    """The nearest of a plain loop, with their distances."""
    found = asked.post("embed", b"color=red,size=4").json
    apart = np.linalg.norm(asked.table.matrix - vectors_of({"color": ["red"], "size": [4]}), axis=1)
    assert [each["row"] for each in found["neighbours"]] == np.argsort(apart)[:10].tolist()
    np.testing.assert_allclose([each["distance"] for each in found["neighbours"]], np.sort(apart)[:10], rtol=1e-4)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (b"colour=red", "attribute: expected one of color, striped, size, got 'colour'; did you mean color?"),
        (b"color=rad", "attribute 'color': expected one of blue, green, red, got 'rad'; did you mean red?"),
        (b"\xff\x00", "attributes: expected NAME=VALUE,..., got "),
    ],
)
def test_words_that_are_no_attributes_are_told(asked: Asked, words: bytes, line: str) -> None:
    """One line, with the nearest."""
    answer = asked.post("embed", words)
    assert answer.status == 422
    assert answer.json["error"].startswith(line)


def test_page_has_a_field_for_attributes(pages: Pages, asked: Asked) -> None:
    """What is written there lands on the map, with its neighbours; a slip is told in its place."""
    opened = ExplorerPage(pages, asked.address)
    assert opened.page.locator("#choose-pictures").count() == 0
    for words in ("color=red", "colour=red"):
        opened.page.fill("#attribute-words", words)
        opened.page.click("#ask-attributes button")
    opened.page.wait_for_selector("#dropped .landed.failed")
    told = opened.page.locator("#dropped .landed")
    assert "did you mean color?" in (told.nth(0).text_content() or "")
    assert told.nth(1).locator(".pinned .id").text_content() == "color=red"
    assert told.nth(1).locator(".neighbour").count() == 10
    (complaint,), pages.complaints = pages.complaints, []
    assert "422" in complaint
