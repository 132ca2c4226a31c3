"""The import contract: a machine that serves, scores and analyses has no torch, and `import lookalike` stays light."""

import subprocess
import sys

import pytest

from tests.shared.missing_packages import COMMAND_LINE, TRAINING_EXTRA, run_without
from tests.shared.places import ROOT

TRAINING_PACKAGES = (*TRAINING_EXTRA, "trainer")
TEST_PACKAGES = ("sklearn", "scipy")
"""References of tests; nothing but tests imports them."""
LIGHT_ROOMS = ("artifact", "rows", "analysis", "serving", "pages", "export/adoption")
INSIDE_TRITON = "artifact.repository.triton_decode"
"""The one module that nothing here can import: it runs inside tritonserver."""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def modules_of(room: str) -> list[str]:
    """Every module of a room, however deep."""
    files = sorted((ROOT / room).rglob("*.py"))
    names = [str(file.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__") for file in files]
    return [name for name in names if name != INSIDE_TRITON]


@pytest.mark.parametrize("room", LIGHT_ROOMS)
def test_room_imports_on_a_machine_without_torch(room: str) -> None:
    """Every module of the room imports while torch, timm and the floors above are not to be found."""
    names = modules_of(room)
    assert len(names) == len(list((ROOT / room).rglob("*.py"))) - (room == "artifact")
    missing = (*TRAINING_PACKAGES, *TEST_PACKAGES, *(() if room == "export/adoption" else ("export",)))
    done = run_without(missing, "\n".join(f"import {name}" for name in names))
    assert done.returncode == 0, done.stderr


def test_every_command_imports_on_a_machine_without_torch() -> None:
    """The command line, its commands and results, and the demo: what needs torch is imported when a command runs."""
    names = [name for name in modules_of("lookalike") if name != "lookalike.__main__"]
    assert {"lookalike.commands.train", "lookalike.results.proofs", "lookalike.demo.journey"} <= set(names)
    done = run_without((*TRAINING_EXTRA, "trainer", "export.build"), "\n".join(f"import {name}" for name in names))
    assert done.returncode == 0, done.stderr


def test_the_tests_above_can_fail() -> None:
    """The same refusal does stop the trainer, and says why."""
    done = run_without(TRAINING_PACKAGES, "import torch")
    assert done.returncode != 0
    assert "No module named 'torch'" in done.stderr


def test_import_of_lookalike_loads_nothing_heavy() -> None:
    """Public names are lazy: the package and the command line come without torch, onnxruntime, faiss or pyarrow."""
    heavy = ("torch", "onnxruntime", "faiss", "pyarrow", "sklearn", "numpy", "tritonclient", "grpc")
    done = run(f"import sys, lookalike, lookalike.cli\nprint([name for name in {heavy!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_can_be_had() -> None:
    """`__all__` is pinned here, and each name of it resolves."""
    import lookalike

    assert sorted(lookalike.__all__) == [
        "AsyncScorer",
        "Index",
        "LookalikeError",
        "Preprocessing",
        "RayEngine",
        "RayOptions",
        "Scorer",
        "Server",
        "Shard",
        "TrainConfig",
        "VectorTable",
        "__version__",
        "adopt",
        "build",
        "check_artifact",
        "check_repository",
        "cluster_table",
        "compare_artifacts",
        "deploy",
        "describe",
        "embed_dataset",
        "evaluate",
        "evaluate_attributes",
        "explain",
        "extract",
        "fit",
        "load_pixels",
        "load_run",
        "make_config",
        "merge_shards",
        "open_attribute_table",
        "open_repository",
        "open_table",
        "publish",
        "push",
        "read_manifest",
        "remove",
        "rollback",
        "score_table",
    ]
    for name in lookalike.__all__:
        assert getattr(lookalike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Scorrer'"):
        _ = lookalike.Scorrer


def test_a_missing_extra_is_named() -> None:
    """`lookalike train` without torch says which extra brings it, in one line."""
    done = run_without(TRAINING_EXTRA, COMMAND_LINE, "train", "x", "--kind", "triplet", "--output", "y")
    assert done.returncode == 1
    assert done.stderr.startswith("lookalike: the package 'torch' is not installed; `pip install 'lookalike[train]'`")
    assert len(done.stderr.splitlines()) == 1


def test_onnxruntime_telemetry_is_off_before_its_import() -> None:
    """Whatever of ours imports onnxruntime first, the switch is in the environment by then."""
    for first in ("serving.engine", "serving.client.scorer", "export.parity"):
        done = run(f"import os, {first}\nprint(os.environ['ORT_DISABLE_TELEMETRY'])")
        assert done.stdout.strip() == "1", done.stderr
