"""Whether a repository has what others need to trust and cite it."""

from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.development.checks.sources import Sources, line_with
from terrafair.development.findings import Finding, Severity
from terrafair.development.manifest import FILE
from terrafair.errors import InvalidInput
from terrafair.workflows.content import load

LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING")
CITATION = "CITATION.cff"
_CITATION_NEEDS = ("cff-version", "message", "title", "authors")


def check(sources: Sources) -> Iterator[Finding]:
    """Files that the manifest names, licence, citation, pipeline and tests."""
    manifest, text = sources.manifest, sources.text(FILE)
    for key, path in _named(sources):
        if path and not sources.has(path) and not (sources.folder / path).is_dir():
            what = f"{FILE} names {path}, which is not there."
            yield Finding(
                "file-missing", what, FILE, line_with(text, key, path), remedy="Add the file, or correct the path."
            )
    if not any(sources.has(name) for name in LICENCES):
        why = "Without a licence nobody may reuse it."
        yield Finding("licence-missing", "There is no LICENSE file.", "", 0, Severity.WARNING, why, "Add one.")
    yield from _licence(manifest.license, line_with(text, "license"))
    yield from _citation(sources)
    if not any(path.startswith(".github/workflows/") or path == ".gitlab-ci.yml" for path in sources.files):
        remedy = "Copy .github/workflows/workflow.yml from `terrafair new`."
        yield Finding("ci-missing", "No pipeline runs the checks at each commit.", "", 0, Severity.WARNING, "", remedy)
    if not manifest.test:
        remedy = 'Set test.command, e.g. ["python", "-m", "unittest", "discover", "-s", "tests"].'
        yield Finding("tests-missing", "The workflow has no tests.", FILE, 0, Severity.WARNING, "", remedy)
    for name in ("inputs", "outputs"):
        if name not in manifest.definitions:
            why = "Others find out from it what data the workflow takes and makes."
            what = f"There is no data definition of the {name}."
            remedy = f"Set data.{name} to a STAC collection."
            yield Finding("definition-missing", what, FILE, 0, Severity.WARNING, why, remedy)


def _named(sources: Sources) -> Iterator[tuple[str, str]]:
    manifest = sources.manifest
    yield "application", manifest.application
    yield "package", manifest.package
    yield "requirements", manifest.requirements
    yield "modules", manifest.modules
    yield "inputs", manifest.values
    yield "demo", manifest.demo
    yield from manifest.definitions.items()


def _licence(expression: str, line: int) -> Iterator[Finding]:
    from license_expression import get_spdx_licensing

    if not expression:
        remedy = "Set workflow.license to an SPDX expression, e.g. MIT."
        yield Finding("licence-unnamed", "The manifest names no licence.", FILE, 0, Severity.WARNING, "", remedy)
        return
    faults = get_spdx_licensing().validate(expression).errors
    if faults:
        what = f"workflow.license is {expression!r}, which is no SPDX expression."
        yield Finding(
            "licence-unknown", what, FILE, line, Severity.WARNING, str(faults[0]), "Write e.g. MIT or Apache-2.0."
        )


def _citation(sources: Sources) -> Iterator[Finding]:
    if not sources.has(CITATION):
        what = "There is no CITATION.cff."
        yield Finding("citation-missing", what, "", 0, Severity.WARNING, "Others cannot cite the workflow.", "Add one.")
        return
    try:
        document = load(sources.text(CITATION), CITATION)
    except InvalidInput as fault:
        yield Finding.of(fault.problem, CITATION, Severity.WARNING)
        return
    about: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    for key in _CITATION_NEEDS:
        if not about.get(key):
            what = f"CITATION.cff has no `{key}`."
            yield Finding(
                "citation-incomplete",
                what,
                CITATION,
                0,
                Severity.WARNING,
                "The format asks for it (cff 1.2.0).",
                "Add it.",
            )
    version = str(about.get("version", sources.manifest.version))
    if version != sources.manifest.version:
        what = f"CITATION.cff says version {version}, and the manifest {sources.manifest.version}."
        line = line_with(sources.text(CITATION), "version:", version)
        yield Finding("citation-version", what, CITATION, line, Severity.WARNING, "", "Write the same version in both.")
