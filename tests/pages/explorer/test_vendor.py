"""What the explorer's page takes from npm, as it is committed."""

import json
from importlib.resources import files

from pages.explorer.page import SCRIPTS, script
from pages.explorer.server import SERVED_SCRIPTS

_VENDOR = files("pages.explorer") / "vendor"


def test_vendor_is_the_version_that_is_pinned() -> None:
    """The bundle says the version that package.json names, and its licence lies beside it."""
    wanted = json.loads((_VENDOR / "package.json").read_text())["devDependencies"]["twgl.js"]
    assert (_VENDOR / "twgl.js").read_text().startswith(f"/* twgl.js {wanted}, MIT licence")
    assert "Permission is hereby granted" in (_VENDOR / "twgl.LICENSE").read_text()


def test_vendor_pins_every_package_by_hash_and_names_no_registry() -> None:
    """Every package of the lock has an integrity, and no address stands there."""
    text = (_VENDOR / "package-lock.json").read_text()
    packages = {name: facts for name, facts in json.loads(text)["packages"].items() if name}
    assert all(facts["integrity"].startswith("sha512-") for facts in packages.values())
    assert "http" not in text


def test_scripts_are_all_there_and_end_no_element() -> None:
    """Every script of the folder is read, once, and none could close the element that it stands in."""
    folder = files("pages.explorer")
    own = {each.name for each in folder.iterdir() if each.name.endswith(".js")}
    assert {name for name in SCRIPTS if "/" not in name} == own - set(SERVED_SCRIPTS)
    assert len({*SCRIPTS, *SERVED_SCRIPTS}) == len(SCRIPTS) + len(SERVED_SCRIPTS)
    assert "</script" not in script(SERVED_SCRIPTS).lower()
