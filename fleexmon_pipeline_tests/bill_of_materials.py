"""The bill of materials: every package of requirements.lock with version, hashes and licence.

Here: reading the lock and writing CycloneDX, offline. Licences are those of the installed packages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "requirements.lock"
_PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*?)(?=^[A-Za-z0-9]|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    name: str
    version: str
    hashes: tuple[str, ...]


def locked(text: str) -> Iterator[Locked]:
    for match in _PACKAGE.finditer(text):
        yield Locked(match[1], match[2], tuple(_HASH.findall(match[3])))


def bill(packages: list[Locked]) -> str:
    """CycloneDX 1.6 as JSON."""
    ours = metadata.metadata("fleexmon-pipeline")
    bom = Bom(components=[_component(package) for package in packages])
    bom.metadata.component = root = Component(
        type=ComponentType.APPLICATION, name="fleexmon-pipeline", version=ours["Version"], bom_ref="fleexmon-pipeline"
    )
    bom.register_dependency(root, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(package: Locked) -> Component:
    purl = PackageURL("pypi", name=package.name, version=package.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),  # names the package without the host of a registry
        hashes=[HashTypeFactory().from_composite_str(value) for value in package.hashes],
    )
    return Component(
        type=ComponentType.LIBRARY, name=package.name, version=package.version, purl=purl, bom_ref=str(purl),
        external_references=[files], licenses=[LicenseFactory().make_from_string(text) for text in _licence(package)],
    )  # fmt: skip


def _licence(package: Locked) -> Iterator[str]:
    """What the package says of itself; nothing for one of another platform, or that says a whole page."""
    try:
        found = metadata.metadata(package.name)
    except metadata.PackageNotFoundError:
        return
    text = str(found["License-Expression"] or found["License"] or "")
    if text and "\n" not in text and len(text) < 100:
        yield text


def main(file: str) -> None:
    packages = list(locked(LOCK.read_text("utf-8")))
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bill(packages), "utf-8")
    sys.stdout.write(f"{path}: {len(packages)} packages\n")


if __name__ == "__main__":
    main(sys.argv[1])
