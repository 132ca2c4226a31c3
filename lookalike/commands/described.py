"""describe, check, diff: what an artifact says about itself, whether it is so, and what changed between two of them."""

from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import RepositoryError, UsageError
from lookalike.commands.artifacts import DEFAULT_REPOSITORY, JSON, REPOSITORY

if TYPE_CHECKING:
    from serving.difference import Difference

TARGET = typer.Argument(help="An artifact file, or NAME[@VERSION] with --repository.", metavar="FILE|NAME")
VERSION = typer.Option(help="Version; default: the one served.")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (describe, check, diff):
        app.command()(command)


def describe(
    target: Annotated[str, TARGET],
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, VERSION] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Describe an artifact without reading its weights."""
    from artifact.model.description import describe_manifest, inputs_of, outputs_of
    from artifact.model.file import read_manifest
    from artifact.model.int8_scheme import older_scheme_note
    from lookalike import console

    manifest = read_manifest(artifact_path(target, repository, version))
    if as_json:
        console.print_json(describe_manifest(manifest))
        return
    training = manifest.training
    console.print_facts(
        f"{manifest.name}: {manifest.kind}, {manifest.mode}",
        {
            "digest": manifest.digest,
            "space": manifest.space,
            "engine": f"onnx, opset {manifest.opset}, {manifest.precision}",
            "created": manifest.created,
            "embedding_dim": manifest.embedding_dim,
            "distance": manifest.distance + (", on the unit sphere" if manifest.normalized else ""),
            "threshold": manifest.threshold,
            "loss": f"{manifest.loss}, margin {console.show(manifest.margin)}" if manifest.loss else None,
            "preprocessing": manifest.preprocessing,
            "base": manifest.base,
            "training": {key: value for key, value in training.items() if not isinstance(value, dict)},
            "metrics": training.get("metrics"),
            "size": _size(manifest.content.size, manifest.content.external),
            "note": older_scheme_note(manifest),
        },
    )
    rows = [("input", *astuple(variable)) for variable in inputs_of(manifest)]
    rows += [("output", *astuple(variable)) for variable in outputs_of(manifest)]
    console.out.print()
    console.print_table(("variable", "name", "shape", "type", "label"), rows)


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            help="An artifact file, NAME[@VERSION], or nothing: the whole --repository.", metavar="FILE|NAME"
        ),
    ] = None,
    repository: Annotated[Path | None, REPOSITORY] = None,
    version: Annotated[int | None, VERSION] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Verify every byte of an artifact, and its golden images on this machine; or a repository, as Triton takes it."""
    if target is None:
        if repository is None or version is not None:
            raise UsageError("check", expected="FILE, NAME or --repository DIR", mend="see lookalike check --help")
        _check_repository(repository, as_json)
        return
    from lookalike import console
    from serving.check import check_artifact

    path = artifact_path(target, repository, version)
    result = check_artifact(path)
    facts: dict[str, Any] = {
        "ok": True,
        "file": str(path),
        "digest": result.manifest.digest,
        "golden_images": result.num_golden,
        "golden_max_abs": result.golden_max_abs,
    } | ({"note": result.note} if result.note else {})
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("sound", facts)


def diff(
    a: Annotated[str, TARGET],
    b: Annotated[str, TARGET],
    repository: Annotated[Path | None, REPOSITORY] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """What changed from artifact A to B: the manifest field by field, and how far the golden vectors moved."""
    from lookalike import console
    from serving.difference import compare_artifacts

    paths = [_either_path(target, repository) for target in (a, b)]
    difference = compare_artifacts(*paths)
    if as_json:
        console.print_json(_difference_facts(difference, paths))
        return
    if difference.fields:
        console.print_table(("field", str(a), str(b)), difference.fields)
    else:
        console.out.print(f"no difference: digest {difference.a.digest}")
    facts: dict[str, Any] = {"space": "the same" if difference.same_space else "two: their vectors must not be mixed"}
    moved = difference.movement
    if moved is None:
        facts["vectors"] = difference.reason
    else:
        facts["vectors"] = (
            f"{moved.num_images} golden images of {a} by {b}: {moved.distance} distance max {moved.max_distance:.3g}, "
            f"mean {moved.mean_distance:.3g}; cosine min {moved.min_cosine:.6f}, mean {moved.mean_cosine:.6f}; "
            + ("the same vectors within tolerance" if moved.within_tolerance else "not the same vectors")
        )
    console.out.print()
    console.print_facts("vectors", facts)


def artifact_path(target: str, repository: Path | None, version: int | None) -> Path:
    """The file that FILE or NAME[@VERSION] means; without --repository a file, or a model of the default repository."""
    name, at = _split(target)
    if repository is None and (Path(target).exists() or not (DEFAULT_REPOSITORY / name).is_dir()):
        if version is not None:
            raise UsageError("--version needs --repository DIR")
        return Path(target)
    if version is not None and at is not None and version != at:
        raise UsageError(f"{target!r} and --version {version} name two versions")
    repository = repository or DEFAULT_REPOSITORY
    from artifact.repository.reading import open_repository

    model = open_repository(repository).model(name)
    wanted = at if version is None else version
    return model.artifact(model.newest_served() if wanted is None else wanted)


def _either_path(target: str, repository: Path | None) -> Path:
    """With --repository too, A or B may be a file."""
    if repository is not None and Path(target).is_file() and not (repository / _split(target)[0]).is_dir():
        return Path(target)
    return artifact_path(target, repository, None)


def _split(target: str) -> tuple[str, int | None]:
    name, at, version = target.rpartition("@")
    if not at or Path(target).exists():
        return target, None
    if not (version.isascii() and version.isdigit()):
        raise UsageError(f"model {target!r}", expected="NAME@VERSION with a number, as in tiny@3")
    return name, int(version)


def _check_repository(repository: Path, as_json: bool) -> None:
    from lookalike import console
    from serving.check import check_repository

    result = check_repository(repository)
    if as_json:
        problems = [asdict(problem) | {"where": str(problem.where)} for problem in result.problems]
        notes = [{"where": str(where), "what": what} for where, what in result.notes.items()]
        facts = {"ok": not problems, "artifacts": result.num_artifacts, "problems": problems}
        console.print_json(facts | ({"notes": notes} if notes else {}))
    else:
        for where, what in result.notes.items():
            console.out.print(f"note: {what} ({where})", markup=False)
        for problem in result.problems:
            console.out.print(("stops Triton: " if problem.stops_triton else "") + str(problem), markup=False)
    if result.problems:
        num_stops = sum(problem.stops_triton for problem in result.problems)
        raise RepositoryError(
            f"the repository has {len(result.problems)} problem{'s' * (len(result.problems) > 1)}",
            got=f"{num_stops} that would stop Triton" if num_stops else None,
            where=repository,
            mend="each is listed with what to do",
        )
    if not as_json:
        console.print_facts("sound", {"repository": str(repository), "artifacts": result.num_artifacts})


def _difference_facts(difference: Difference, paths: list[Path]) -> dict[str, Any]:
    sides = (difference.a, difference.b)
    named = [
        {"file": str(path), "name": side.name, "digest": side.digest}
        | ({"version": int(path.parent.name)} if path.parent.name.isdigit() else {})
        for path, side in zip(paths, sides, strict=True)
    ]
    return {
        "a": named[0],
        "b": named[1],
        "fields": {name: [old, new] for name, old, new in difference.fields},
        "same_space": difference.same_space,
        "vectors": asdict(difference.movement) if difference.movement else None,
        "reason": difference.reason,
    }


def _size(model: int, external: dict[str, Any]) -> str:
    beside = "".join(f", {name} {facts.size} bytes" for name, facts in external.items())
    return f"{model} bytes{beside}"
