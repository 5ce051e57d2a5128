"""What an image or a release consists of, as a CycloneDX bill of materials: packages, versions, hashes, licences."""

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from terrafair.development.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Subject:
    """What the bill is of."""

    name: str
    version: str
    licence: str
    """SPDX expression."""
    digest: str
    """`sha256:` and 64 hexadecimal digits."""
    type: str = "container"
    """As CycloneDX names it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One package in it."""

    name: str
    version: str
    hashes: tuple[tuple[str, str], ...] = ()
    """(`SHA-256` or `SHA-512`, hexadecimal digits)."""
    licence: str = ""
    """Empty: it does not say."""
    index: str = "pypi"
    """As package URLs name it; `npm` is the other."""


def bill(manifest: Manifest, lock: str, prefix: Path, digest: str, python: str) -> bytes:
    """The JSON document of an image."""
    subject = Subject(manifest.name, manifest.version, manifest.license, digest)
    return document(subject, parts(lock, prefix), python)


def parts(lock: str, prefix: Path) -> list[Part]:
    """Each locked package, with the licence that the installed one says."""
    said = licences_of(prefix)
    return [
        Part(name, version, tuple(("SHA-256", each) for each in hashes), said.get(name, ""))
        for name, version, hashes in packages(lock)
    ]


def document(subject: Subject, packed: Iterable[Part], python: str) -> bytes:
    """The JSON document (CycloneDX 1.6); the same bytes for the same contents."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    factory = LicenseFactory()

    def licences(text: str) -> list[Any]:
        return [factory.make_from_string(text)] if text else []

    main = Component(
        name=subject.name,
        version=subject.version,
        type=ComponentType(subject.type),
        bom_ref=subject.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.digest.removeprefix("sha256:"))],
        licenses=licences(subject.licence),
    )
    found = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, subject.digest))
    found.metadata.component = main
    components = [Component(name="python", version=python, type=ComponentType.PLATFORM, bom_ref="python")]
    for part in packed:
        space, _, plain = part.name.rpartition("/")
        components.append(
            Component(
                group=space or None,
                name=plain,
                version=part.version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{part.name}@{part.version}" if part.index == "pypi" else f"npm:{part.name}@{part.version}",
                purl=PackageURL(part.index, space or None, plain, part.version),
                hashes=[HashType(alg=HashAlgorithm(name), content=each) for name, each in part.hashes],
                licenses=licences(part.licence),
            )
        )
    for component in components:
        found.components.add(component)
    found.register_dependency(main, components)
    for component in components:
        found.register_dependency(component)
    written: dict[str, Any] = json.loads(
        make_outputter(found, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    )
    # The time of writing would be the one thing that differs.
    written["metadata"].pop("timestamp", None)
    return json.dumps(written, indent=1).encode()


def packages(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and hashes of each locked package."""
    for block in re.split(r"\n(?=\S)", re.sub(r"\\\r?\n", " ", lock)):
        if found := re.match(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;]+)", block.strip()):
            yield canonicalize_name(found[1]), found[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", block)


def licences_of(prefix: Path) -> Mapping[str, str]:
    """Canonical name -> licence, as each installed package says it; unknown ones are left out."""
    found: dict[str, str] = {}
    for path in sorted(prefix.glob("lib/python*/site-packages/*.dist-info/METADATA")):
        about = HeaderParser().parsestr(path.read_text("utf-8", "replace").split("\n\n", maxsplit=1)[0])
        name = canonicalize_name(str(about.get("Name", "")))
        said = str(about.get("License-Expression") or "")
        if not said:
            classes = [line for line in about.get_all("Classifier", []) if str(line).startswith("License ::")]
            said = str(classes[0]).rpartition(" :: ")[2] if classes else ""
        plain = str(about.get("License") or "").strip()
        if not said and plain and "\n" not in plain and len(plain) < 80:
            said = plain
        if name and said:
            found[name] = said
    return found


def table(lock: str, prefix: Path) -> list[dict[str, str]]:
    """Name, version and licence of each package, for people."""
    said = licences_of(prefix)
    return [
        {"name": name, "version": version, "licence": said.get(name, "not said")} for name, version, _ in packages(lock)
    ]
