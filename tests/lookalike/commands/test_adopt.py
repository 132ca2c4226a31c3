"""The command `adopt`: options that make no sense, and the default repository."""

import json
from pathlib import Path

import pytest

from tests.shared.command_line import Cli, everything, one_line
from tests.shared.foreign_networks import save, small_graph

GOOD = {"--mean": "0.5", "--std": "0.25", "--file": "out.onnx"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--mean": "half"}, "--mean: expected one number or three"),
        ({"--std": "1,2"}, "--std: expected one number or three"),
        ({"--file": "net.onnx"}, "would overwrite the network itself"),
        ({"--size": "big"}, "--size: expected PX or HEIGHTxWIDTH"),
    ],
)
def test_adopt_refuses_in_one_line(cli: Cli, change: dict[str, str], words: str) -> None:
    """Numbers that are none, a target that is the network itself, a size that is none: exit code 2, nothing written."""
    save(small_graph(), Path("net.onnx"))
    options = [word for pair in (GOOD | change).items() for word in pair]
    code, out, err = cli("adopt", "net.onnx", *options)
    assert (code, out) == (2, "")
    assert words in one_line(err)
    assert len(err.splitlines()) == 1
    assert everything(Path()) == {"net.onnx"}


def test_adopt_publishes_into_model_repository(cli: Cli) -> None:
    """The default repository, as of export; what is printed is the same with --json and without."""
    save(small_graph(), Path("net.onnx"))
    code, out, err = cli("adopt", "net.onnx", "--mean", "0.5", "--std", "0.25,0.2,0.3", "--json")
    facts = json.loads(out)
    assert (code, facts["name"], facts["version"], facts["batching"]) == (0, "net", 1, "declared")
    assert "parity with net.onnx, image by image, on batches of 1, 2, 7: max |difference|" in err
    assert facts["parity"]["max_abs"] <= facts["parity"]["limit"]
    assert Path("model_repository/net/1/model.onnx").is_file()
    assert facts["digest"] in cli("adopt", "net.onnx", "--mean", "0.5", "--std", "0.25,0.2,0.3")[1]
