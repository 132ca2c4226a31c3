"""What the files of the room import: they run in tritonserver too, where nothing else is installed."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from artifact import images

LIBRARIES = {"numpy", "PIL", "simplejpeg", "cykooz_resizer"}
FILES = sorted(Path(str(images.__file__)).parent.rglob("*.py"))


def foreign_imports(source: str) -> list[str]:
    """Imports, wherever in the file they stand, of what NAME_decode's environment or folder does not have."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level != 1:
            found.append("." * node.level + (node.module or ""))
    return [name for name in found if name.split(".")[0] not in LIBRARIES | sys.stdlib_module_names]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_import_only_what_triton_has(file: Path) -> None:
    """The standard library, four packages, and neighbours by relative imports."""
    assert foreign_imports(file.read_text()) == []


def test_files_lie_in_one_folder() -> None:
    """Only those are copied beside NAME_decode."""
    assert FILES
    assert {file.parent for file in FILES} == {FILES[0].parent}


def test_foreign_imports_are_found() -> None:
    """Of our own packages by name, of a folder above, of other libraries, within a function."""
    source = (
        "import os, torch\nfrom . import a\nfrom .b import c\nfrom ..errors import d\ndef f():\n from rows import e"
    )
    assert foreign_imports(source) == ["torch", "..errors", "rows"]
