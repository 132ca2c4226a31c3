"""The command line and a browser as fixtures, for the tests of every room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lookalike.cli import main
from tests.shared.browser import Pages, running_chromium
from tests.shared.command_line import Cli

if TYPE_CHECKING:
    from tests.shared.scene_files import SceneFiles


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def scene_files(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    """A detector and a U-Net, trained; for tests that are marked slow. Workers of pytest-xdist share them."""
    from tests.shared.scene_files import scene_files_in

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return scene_files_in(shared / "scene files")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, started once a file, for Playwright keeps an event loop running; tests take `pages`."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def pages(chromium: Any) -> Iterator[Pages]:
    """Opens pages in a real browser; whatever they complain of fails the test."""
    opened = Pages(chromium)
    yield opened
    opened.close()
