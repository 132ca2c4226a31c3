"""The command line itself: usage mistakes, help, version, empty and long arguments, extras."""

import json
import re
import tomllib
from pathlib import Path

from lookalike.cli import EXTRAS
from tests.shared.command_line import Cli, everything, one_line
from tests.shared.places import ROOT


def test_usage_mistakes_exit_with_2(cli: Cli) -> None:
    """Typer's own complaints take the same form."""
    for arguments, words in (
        (["trian"], ["trian", "train"]),
        (["train", "x", "--output", "y"], ["--kind", "siamese, triplet, quartet"]),
        (["train", "x", "--kind", "pairs", "--output", "y"], ["pairs"]),
        (["score", "x", "--model", "m", "--output", "y"], ["exactly one of --url", "--repository"]),
        (["score", "x", "--model", "m", "--output", "y", "--url", "u:1", "--columns", "a"], ["--columns"]),
        (["serve", "x", "--grpc-port", "70000"], ["--grpc-port", "65535"]),
    ):
        code, _, err = cli(*arguments)
        assert code == 2, arguments
        for word in words:
            assert word in one_line(err)


def test_no_arguments_print_the_help_as_it_is(cli: Cli) -> None:
    """Lines, not one line; on stderr, for nothing was asked."""
    code, out, err = cli()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "\n  search " in err


def test_an_empty_argument_is_a_usage_error(cli: Cli, images: Path, repository: Path) -> None:
    """`--output "$UNSET"` does not mean the current folder."""
    before = everything(Path())
    code, _, err = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "")
    assert code == 2
    assert one_line(err) == "argument: expected a value, got an empty text after --output; is a variable unset?"
    assert everything(Path()) == before


def test_names_too_long_for_the_file_system_are_one_line(cli: Cli, images: Path, repository: Path) -> None:
    """Wherever a path is taken."""
    long = "x" * 300
    in_process = ("--model", "tiny", "--repository", "models")
    for arguments in (
        ("train", "images", "--kind", "triplet", "--output", long),
        ("train", long, "--kind", "triplet", "--output", "run"),
        ("describe", long),
        ("install", repository / "tiny/1/model.onnx", "--repository", long),
        ("score", "images", *in_process, "--output", long),
        ("score", long, *in_process, "--output", "v"),
        ("index", long, "--output", "i"),
        ("search", long, "images"),
        ("serve", long),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        assert "ile name too long" in one_line(err)
        assert "Traceback" not in err


def test_lines_are_not_folded_where_there_is_no_terminal(cli: Cli, repository: Path) -> None:
    """A digest stays in one piece, so that grep and awk find it."""
    out = cli("versions", "tiny", "--repository", "models", "--json")[1]
    digest = json.loads(out)["versions"][0]["digest"]
    for command in (("versions", "tiny"), ("describe", "tiny"), ("check", "tiny")):
        lines = cli(*command, "--repository", "models")[1].splitlines()
        assert sum(digest in line for line in lines) == 1, lines
        assert all(line == line.rstrip() for line in lines)


def test_help_names_every_command(cli: Cli) -> None:
    """--help lists the journey; --version is the package's."""
    out = cli("--help")[1]
    for name in (
        "demo",
        "train",
        "export",
        "adopt",
        "describe",
        "check",
        "diff",
        "tune",
        "install",
        "extract",
        "versions",
        "rollback",
        "remove",
        "serve",
        "score",
        "merge",
        "index",
        "search",
        "why",
        "cluster",
        "evaluate",
        "duplicates",
        "outliers",
        "push",
    ):
        assert f"  {name} " in out
    from importlib.metadata import version

    assert cli("--version")[1].strip() == version("lookalike")


def test_extras_of_missing_packages_are_those_of_the_project() -> None:
    """Each package that an error names belongs to the extra that it names, and not to the plain install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: {plain_name(each) for each in needed} for name, needed in project["optional-dependencies"].items()}
    plain = {plain_name(each) for each in project["dependencies"]}
    for package, extra in EXTRAS.items():
        distribution = {"umap": "umap-learn"}.get(package, package.replace("_", "-"))
        assert distribution in extras[extra], package
        assert distribution not in plain, package


def test_packages_of_the_plain_install_are_in_no_extra() -> None:
    """Jinja2, which pages are made with, is there without any extra."""
    assert "jinja2" not in EXTRAS


def plain_name(requirement: str) -> str:
    """The name of a requirement, as package indexes spell it."""
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")
