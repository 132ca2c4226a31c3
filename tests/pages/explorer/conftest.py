"""The explorer's page of real digits, written once for all tests of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lookalike.cli import main
from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage, digits_table
from tests.shared.served_digits import Asked, scored_digits, serving


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `digits.parquet`, its `images` and its `page.html`."""
    folder = tmp_path_factory.mktemp("digits")
    table = digits_table(folder)
    options = ["--distance", "euclidean", "--images", str(folder / "images"), "--thumbnails", "32"]
    assert main(["explore", str(table), *options, "--output", str(folder / "page.html"), "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def page_of_digits(chromium: Any, digits: Path) -> Iterator[tuple[Pages, ExplorerPage]]:
    """The page, opened once a file: to start WebGL on the processor takes longer than a test."""
    pages = Pages(chromium)
    yield pages, ExplorerPage(pages, digits / "page.html", accept_downloads=True)
    pages.close()


@pytest.fixture
def opened(page_of_digits: tuple[Pages, ExplorerPage]) -> Iterator[ExplorerPage]:
    """The page in a browser, as it is when it is opened."""
    pages, page = page_of_digits
    page.reset()
    yield page
    pages.check()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server of digits with a model."""
    with serving(scored_digits(tmp_path_factory.mktemp("served"))) as asked:
        yield asked
