"""What an image consists of, as a CycloneDX bill of materials: packages with versions, hashes and licences."""

import re
import uuid
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from terrafair.development.manifest import Manifest


def bill(manifest: Manifest, lock: str, prefix: Path, digest: str, python: str) -> bytes:
    """The JSON document (CycloneDX 1.6); the same bytes for the same image."""
    from cyclonedx.factory.license import LicenseFactory
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
        name=manifest.name,
        version=manifest.version,
        type=ComponentType.CONTAINER,
        bom_ref=manifest.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
        licenses=licences(manifest.license),
    )
    document = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, digest))
    document.metadata.component = main
    said = licences_of(prefix)
    parts = [Component(name="python", version=python, type=ComponentType.PLATFORM, bom_ref="python")]
    for name, version, hashes in packages(lock):
        parts.append(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                bom_ref=f"{name}@{version}",
                purl=PackageURL("pypi", name=name, version=version),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes],
                licenses=licences(said.get(canonicalize_name(name), "")),
            )
        )
    for part in parts:
        document.components.add(part)
    document.register_dependency(main, parts)
    for part in parts:
        document.register_dependency(part)
    text = make_outputter(document, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    # The time of writing would be the one thing that differs.
    return re.sub(r'^\s*"timestamp": "[^"]*",?\n', "", text, flags=re.MULTILINE).encode()


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
