"""Places of the project's files for tests: its root, their data, their shared programs."""

from pathlib import Path

SHARED = Path(__file__).resolve().parent
TESTS = SHARED.parent
ROOT = TESTS.parent
DATA = TESTS / "data"
