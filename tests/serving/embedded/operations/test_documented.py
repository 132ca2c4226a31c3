"""docs/serving/operations.md against the server: every metric that it tells and every option stands there."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from serving.embedded.server import Server
from tests.shared.pictures import noise
from tests.shared.places import ROOT
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer

PAGE = ROOT / "docs" / "serving" / "operations.md"
OPTIONS = (
    *("--metrics-port", "--no-metrics", "--drain-s", "--grace-s", "--log-format", "--log-level", "--log-requests"),
    *("--log-slow-ms", "--trace-endpoint", "--trace-ratio", "--max-queue", "--max-connections", "--max-streams"),
    *("--max-header-bytes", "--idle-s", "--read-s"),
)


def test_every_metric_is_documented_and_every_documented_one_is_there(tmp_path: Path) -> None:
    """By their names, those of the process too."""
    publish_tiny(tmp_path / "repository")
    with Server(tmp_path / "repository", grpc_port=0, metrics_port=0) as server, client_of(server) as client:
        infer(client, "tiny", {"image": noise(1)})
        with urllib.request.urlopen(f"http://{server.metrics_url}/metrics") as answer:
            text = answer.read().decode()
    told = {
        family.name + ("_total" if family.type == "counter" and not family.name.startswith("nv_") else "")
        for family in text_string_to_metric_families(text)
    }
    documented = set(re.findall(r"`((?:nv|lookalike|process)_[a-z_]*[a-z])`", PAGE.read_text()))
    assert told == documented


def test_every_option_is_documented() -> None:
    """Of those that an operator sets."""
    page = PAGE.read_text()
    assert [option for option in OPTIONS if not re.search(rf"`{option}\b", page)] == []
