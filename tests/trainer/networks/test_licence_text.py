"""Licences by their text, against the files of packages that name theirs in their metadata too."""

from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.shared.places import ROOT
from tests.shared.weight_packages import APACHE, write_package
from trainer.networks.licence_text import licence_of_package, licence_of_text


@pytest.mark.parametrize(
    ("package", "licence"),
    [("timm", "Apache-2.0"), ("safetensors", "Apache-2.0"), ("pydantic", "MIT"), ("scipy", None)],
)
def test_licence_of_installed_packages_is_read_off_their_files(package: str, licence: str | None) -> None:
    """timm's metadata names a family only; scipy brings the licences of others in one file, which says nothing."""
    texts = [file.read_text() for file in distribution(package).files or [] if file.name.upper().startswith("LICEN")]
    assert texts
    assert licence_of_text(texts[0]) == licence


def test_text_of_our_own_licence_is_known() -> None:
    """The whole text, not the notice."""
    assert licence_of_text((ROOT / "LICENSE").read_text()) == "Apache-2.0"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (APACHE, "Apache-2.0"),
        ("Redistribution and use in source and binary forms, ...", "BSD-2-Clause"),
        ("Redistribution and use in source\n and binary forms ... Neither the name of X", "BSD-3-Clause"),
        ("Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
        (APACHE + "Permission is hereby granted, free of charge, to any person obtaining a copy", None),
        ("All rights reserved", None),
        ("", None),
    ],
)
def test_licence_is_known_by_its_words(text: str, licence: str | None) -> None:
    """Lines may break anywhere; two licences in one file are none."""
    assert licence_of_text(text) == licence


def test_metadata_speaks_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SPDX expression is what the authors say; UNKNOWN says nothing."""
    write_package(tmp_path, "named_pack", metadata="License-Expression: CC-BY-4.0\n")
    write_package(tmp_path, "unknown_pack")
    write_package(tmp_path, "silent_pack", licence=None)
    monkeypatch.syspath_prepend(tmp_path)
    found = [licence_of_package(distribution(name)) for name in ("named-pack", "unknown-pack", "silent-pack")]
    assert found == ["CC-BY-4.0", "Apache-2.0", None]
