"""Documents against the program: printed commands and options, links, and files that are named."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from lookalike.cli import app
from tests.shared.places import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def printed_commands() -> list[list[str]]:
    """Every `lookalike ...` line of the documents that stands as a command, without its comment."""
    commands = []
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            if re.match(r"\s*(\$ )?lookalike [a-z]", line) and "..." not in line:
                words = shlex.split(line.strip().removeprefix("$ "), comments=True)
                commands.append(words)
    return commands


def help_of(command: str) -> str:
    return CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize("words", printed_commands(), ids=" ".join)
def test_printed_command_exists_with_its_options(words: list[str]) -> None:
    """The command is there, and takes every option that the document gives it."""
    text = help_of(words[1])
    assert "Usage:" in text
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), option


def test_documents_print_commands() -> None:
    """The test above has something to look at."""
    assert len(printed_commands()) >= 12


def test_links_of_the_documents_lead_somewhere() -> None:
    """Every relative link of README, CONTRIBUTING and the other pages names a file that is there."""
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_files_of_code_that_documents_name_are_there() -> None:
    """Every `room/file.py` in the text of a page, links and placeholders apart, is a file of this repository."""
    named = 0
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]:
        for path in re.findall(r"(?<![\w/.-])(?:[\w-]+/)+[a-z0-9_-]+\.py\b", document.read_text()):
            assert (ROOT / path).is_file() or (document.parent / path).is_file(), f"{document.name}: {path}"
            named += 1
    assert named > 5
