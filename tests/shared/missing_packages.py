"""An environment without some packages, as a program: for tests of what runs where torch is not installed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.shared.places import ROOT

TRAINING_EXTRA = ("torch", "torchvision", "timm", "safetensors", "onnxscript")
"""Packages that `lookalike[train]` brings."""

_HOOK = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == each or name.startswith(each + ".") for each in {missing!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, {root!r})
"""

COMMAND_LINE = "import lookalike.cli\nsys.exit(lookalike.cli.main(sys.argv[1:]))\n"
"""The command line, to be run with `run_without`."""


def run_without(
    missing: Sequence[str], code: str, *arguments: object, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, in a process where some packages and modules (and what is in them) are not found."""
    program = _HOOK.format(missing=tuple(missing), root=str(ROOT)) + code
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=120,
    )
