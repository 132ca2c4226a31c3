"""The command `cluster`: a line a cluster, and tables that neither it nor `index` writes over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.shared.command_line import Cli


def test_cluster_prints_a_line_a_cluster(scored_cli: Cli) -> None:
    """Size, medoid, distance and silhouette, in --json as in the table."""
    facts = json.loads(scored_cli("cluster", "v", "-k", 3, "--output", "c.parquet", "--json")[1])
    assert facts["sizes"] == [row["size"] for row in facts["clusters"]]
    assert sum(facts["sizes"]) == facts["num_rows"] == facts["silhouette_rows"] == 9
    _, out, _ = scored_cli("cluster", "v", "-k", 3, "--output", "c.parquet")
    lines = out.splitlines()
    assert lines[0].split() == ["cluster", "size", "medoid", "mean_distance", "silhouette"]
    for line, row in zip(lines[1:4], facts["clusters"], strict=True):
        assert line.split()[:2] == [str(row["cluster"]), str(row["size"])]
        assert row["medoid"] in line


@pytest.mark.parametrize("command", [("cluster", "-k", "2"), ("index",)])
def test_a_table_is_not_written_over(scored_cli: Cli, command: tuple[str, ...]) -> None:
    """Neither one file, nor a part, nor what would be read as one; by a link too."""
    shutil.copy("v/part-00000.parquet", "one.parquet")
    Path("link").symlink_to("v")
    name, *options = command
    for table, output in (
        ("one.parquet", "../copy/one.parquet"),
        ("v", "v/part-00000.parquet"),
        ("v", "link/part-00007.parquet"),
        ("link", "v/manifest.json"),
        ("v", "v"),
    ):
        before = Path("v/part-00000.parquet").read_bytes()
        code, out, err = scored_cli(name, table, *options, "--output", output)
        assert (code, out) == (2, "")
        assert f"output: expected another file than those of the table, got {output}" in err
        assert Path("one.parquet").read_bytes() == Path("v/part-00000.parquet").read_bytes() == before
    assert scored_cli(name, "v", *options, "--output", "v/beside.parquet")[0] == 0
