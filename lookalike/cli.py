"""The command line: parse, call one library function, print.

Commands live in lookalike/commands/, one file each; what a command does is imported when it runs, so `lookalike --help`
answers at once: before, only what names options and their defaults (two options.py of serving/) and errors. Every error
a user can mend is one line on stderr and an exit code: 1 failed, 2 usage, 3 done with bad rows, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from artifact.errors import LookalikeError, UsageError, printable
from artifact.images.cores import limit_threads
from lookalike.commands.adopt import adopt
from lookalike.commands.check import check
from lookalike.commands.cluster import cluster
from lookalike.commands.datasets.compare import compare
from lookalike.commands.datasets.duplicates import duplicates
from lookalike.commands.datasets.explore import explore
from lookalike.commands.datasets.labels import labels
from lookalike.commands.datasets.map import map  # noqa: A004 - the command's name
from lookalike.commands.datasets.outliers import outliers
from lookalike.commands.datasets.select import select
from lookalike.commands.datasets.triplets import triplets
from lookalike.commands.demo import demo
from lookalike.commands.describe import describe
from lookalike.commands.diff import diff
from lookalike.commands.evaluate import evaluate
from lookalike.commands.export import export
from lookalike.commands.extract import extract
from lookalike.commands.index import index
from lookalike.commands.install import install
from lookalike.commands.layers import layers
from lookalike.commands.merge import merge
from lookalike.commands.push import push
from lookalike.commands.remove import remove
from lookalike.commands.rollback import rollback
from lookalike.commands.score import score
from lookalike.commands.search import search
from lookalike.commands.serve import serve
from lookalike.commands.train import train
from lookalike.commands.tune import tune
from lookalike.commands.versions import versions
from lookalike.commands.why import why
from lookalike.openmp import wait_asleep

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "safetensors": "train",
    "onnxscript": "train",
    "mlxtend": "demo",
    "resvg_py": "demo",
    "tensorboard": "tensorboard",
    "umap": "map",
    "pacmap": "map",
}
"""{package that a command imports: the extra that brings it}. What the plain install brings (Jinja2 too, for pages) is
not here: where that is missing, the installation is broken. Databases and Ray say it themselves, in rows/stores/ and
serving/on_ray/."""
# The base of every complaint of Typer's parser, which has no public name.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="lookalike",
    help="Train image embeddings, export them as one artifact, serve it, and score tables of images into vectors.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from lookalike import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the command itself; what it does stands in its subcommands."""


COMMANDS = (
    demo,
    train,
    export,
    adopt,
    layers,
    describe,
    check,
    diff,
    tune,
    install,
    extract,
    versions,
    rollback,
    remove,
    serve,
    score,
    merge,
    index,
    search,
    why,
    cluster,
    evaluate,
    map,
    duplicates,
    outliers,
    labels,
    compare,
    select,
    triplets,
    explore,
    push,
)
"""In the order of `--help`."""

for command in COMMANDS:
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    warnings.filterwarnings("ignore", module="PIL")  # oddities of a picture that could still be read
    limit_threads()
    wait_asleep()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for all of the process; closed with >&-
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        _require_no_empty(arguments)
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()  # a reader that is gone shows here, and not while the interpreter ends
    except LookalikeError as error:
        return _fail(str(error), EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED)
    except _USAGE_ERROR as error:
        message = getattr(error, "format_message", error.__str__)()
        if not arguments:  # the help is the message
            sys.stderr.write(f"{message}\n")
            return EXIT_USAGE
        return _fail(f"{message}; see lookalike --help", EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:  # `lookalike ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:  # a place that no library looked at beforehand: a name too long, a full disk
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
        return _fail(f"{error.strerror or error}{where}", EXIT_FAILED)
    except ModuleNotFoundError as error:
        return _fail(_missing_extra(error), EXIT_FAILED)
    if code == EXIT_INTERRUPTED:  # Typer turns Ctrl-C into this code
        return _fail("interrupted", EXIT_INTERRUPTED)
    return code if isinstance(code, int) else 0


def _require_no_empty(arguments: Sequence[str]) -> None:
    """`--output "$UNSET"` would mean the current folder; raises UsageError."""
    if "" in arguments:
        at = list(arguments).index("")
        after = f"after {arguments[at - 1]}" if at else "at the start"
        raise UsageError("argument", expected="a value", got=f"an empty text {after}", mend="is a variable unset?")


def _missing_extra(error: ModuleNotFoundError) -> str:
    """Name the extra that brings a package; anything else is a defect and keeps its traceback."""
    extra = EXTRAS.get((error.name or "").split(".")[0])
    if extra is None:
        raise error
    return f"the package {error.name!r} is not installed; `pip install 'lookalike[{extra}]'` brings it"


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"lookalike: {printable(' '.join(message.split()))}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
