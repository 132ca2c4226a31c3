"""Tables of docs/training.md, built from the settings: defaults and meanings, and what each kind and loss trains by.

python -m tests.shared.training_tables      write them anew into docs/training.md, where settings have changed
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic_core import PydanticUndefined

from artifact.distances import DISTANCES
from artifact.losses import DEFAULT_LOSSES, LOSSES
from tests.shared.places import ROOT
from trainer.config.complaints import flag
from trainer.config.config import TrainConfig, make_config
from trainer.config.settings import Settings
from trainer.loop.preparation import settle

DOCUMENT = ROOT / "docs" / "training.md"


def tables() -> list[str]:
    """Every table, as Markdown; the first line of each is in the document once."""
    groups = {name: field.annotation for name, field in TrainConfig.model_fields.items() if _is_group(field.annotation)}
    return [
        _kinds(),
        _losses(),
        _settings(
            "option", TrainConfig, {name: _option(name) for name in TrainConfig.model_fields if name not in groups}
        ),
        *(_settings(name, model, {key: key for key in model.model_fields}) for name, model in groups.items()),
    ]


def written_tables(text: str) -> list[str]:
    """The tables of `tables` as they stand in a document, by their first lines; "" for one that is not there."""
    found = []
    for table in tables():
        match = re.search(rf"^{re.escape(table.splitlines()[0])}\n(\|.*\n)*", text, flags=re.MULTILINE)
        found.append(match.group().rstrip("\n") if match else "")
    return found


def _kinds() -> str:
    rows = []
    for kind in DEFAULT_LOSSES:
        config, loss = settle(make_config({"images": "x", "kind": kind}))
        margin = f"{config.margin:g}" + (f" and {config.margin2:g}" if "margin2" in loss.margin_names else "")
        others = [name for name, other in LOSSES.items() if kind in other.kinds and name != config.loss]
        length = "unit length" if config.normalize else "free"
        rows.append([kind, f"`{config.loss}`", margin, f"`{config.mining}`", length, _code(others)])
    return _table(["kind", "default loss", "margin", "mining", "vectors", "other losses"], rows)


def _losses() -> str:
    rows = []
    for name, loss in LOSSES.items():
        distance = DISTANCES["euclidean"]
        margins = [f"{loss.default_margin(distance, normalized=unit):g}" for unit in (False, True)]
        rows.append([f"`{name}`", *margins, f"`{loss.mining}`", "unit length" if loss.unit_length else "free"])
    return _table(["loss", "margin, free vectors", "margin, unit length", "default mining", "vectors by default"], rows)


def _settings(title: str, model: type[Settings], names: dict[str, str]) -> str:
    rows = []
    for keys, meaning in _meanings(model):
        known = [key for key in keys if key in names]
        if known:
            defaults = [_default(model.model_fields[key]) for key in known]
            rows.append([_code([names[key] for key in known]), ", ".join(dict.fromkeys(defaults)), meaning])
    return _table([title, "default", "meaning"], rows)


def _meanings(model: type[Settings]) -> list[tuple[list[str], str]]:
    """(names, text) of each entry of a model's Attributes."""
    lines = inspect.cleandoc(str(model.__doc__)).partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n     .*)*)", lines, flags=re.MULTILINE)
    return [(names.split(", "), re.sub(r"\s+", " ", text).replace("None:", "open:")) for names, text in entries]


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "open"
    if value in ({}, ()):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value).strip("()")


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def _option(name: str) -> str:
    return "IMAGES" if name == "images" else flag(name)


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text[1] = "|" + "---|" * len(header)
    return "\n".join(text)


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    for old, new in zip(written_tables(text), tables(), strict=True):
        if not old:
            raise SystemExit(f"{DOCUMENT} has no table that begins with: {new.splitlines()[0]}")
        text = text.replace(old, new)
    DOCUMENT.write_text(text)
