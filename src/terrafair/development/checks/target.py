"""Whether a platform elsewhere would run a workflow, by what it says of itself."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from terrafair.development.checks.needs import Needs
from terrafair.development.findings import Finding, Severity
from terrafair.errors import NotFound, TerrafairError
from terrafair.execution.containers import Image

Get = Callable[[str], Any]
"""Path below the target's address -> its JSON; raises the error tree's errors."""
_DRU = "deploy-replace-undeploy"


def check(needs: Needs, get: Get, name: str) -> Iterator[Finding]:
    """Compare with what answers there: terrafair, an openEO back-end, or an OGC API - Processes server."""
    try:
        yield from _compared(needs, get, name)
    except TerrafairError as fault:
        problem = fault.problem
        remedy = problem.remedy or "Correct the address, or ask again later."
        yield Finding("target-unreachable", problem.what, "", 0, Severity.ERROR, problem.why, remedy, name)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        what = f"{name} describes itself in a way that cannot be read."
        why = f"One of its documents has another shape than its standard says ({type(fault).__name__})."
        yield Finding("target-unreadable", what, "", 0, Severity.ERROR, why, "Ask its operator.", name)


def _compared(needs: Needs, get: Get, name: str) -> Iterator[Finding]:
    landing = _document(get("/"))
    if _is_openeo(landing):
        yield from _openeo(needs, get, landing, name)
        return
    document = _perhaps(get, "/capabilities")
    if document.get("platform") == "terrafair":
        yield from capabilities(needs, document, name)
        if needs.type == "openeo":
            yield from _openeo(needs, below(get, "/openeo"), _document(get("/openeo/")), name)
        return
    conforms = _perhaps(get, "/conformance").get("conformsTo")
    classes = [str(uri) for uri in conforms] if isinstance(conforms, list) else []
    if any("ogcapi-processes" in uri for uri in classes):
        yield from _processes(needs, get, classes, name)
    elif version := _well_known(get):
        yield from _openeo(needs, below(get, version), _document(get(f"{version}/")), name)
    else:
        what = f"{name} does not say that it is an OGC API - Processes server, an openEO back-end or a terrafair."
        why = "Its /conformance names no such class, and /.well-known/openeo no version."
        yield Finding("target-unknown", what, "", 0, Severity.ERROR, why, "Correct the address.", name)


def below(get: Get, base: str) -> Get:
    """Paths below another address; whole addresses as they are."""
    return lambda path: get(path if "://" in path else f"{base}{path}")


def _document(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _perhaps(get: Get, path: str) -> Mapping[str, Any]:
    """A document that need not be there."""
    try:
        return _document(get(path))
    except TerrafairError:
        return {}


def _is_openeo(landing: Mapping[str, Any]) -> bool:
    return "api_version" in landing and "endpoints" in landing


def _well_known(get: Get) -> str:
    """The address of the newest version of an openEO API that is for use; empty: there is none."""
    offered = _perhaps(get, "/.well-known/openeo").get("versions")
    found = [each for each in offered if isinstance(each, Mapping)] if isinstance(offered, list) else []
    known = sorted((bool(each.get("production", True)), _parts(each), str(each.get("url") or "")) for each in found)
    return known[-1][2].rstrip("/") if known else ""


def _parts(version: Mapping[str, Any]) -> list[int]:
    return [int(part) for part in str(version.get("api_version")).split("-")[0].split(".") if part.isdecimal()]


def capabilities(needs: Needs, document: Mapping[str, Any], name: str) -> Iterator[Finding]:
    """Compare with a terrafair's capabilities document."""
    kinds = {str(row.get("type")): row for row in document.get("workflowTypes") or () if isinstance(row, Mapping)}
    if needs.type not in kinds:
        why = f"It runs: {', '.join(sorted(kinds)) or 'nothing'}."
        what = f"{name} runs no workflow of the type {needs.type}."
        yield Finding("target-type", what, needs.file, 0, Severity.ERROR, why, "Choose another platform.")
        return
    standards = [str(each) for each in kinds[needs.type].get("standards") or ()]
    wanted = f"CWL {needs.cwl_version.removeprefix('v')}"
    if needs.cwl_version and standards and wanted not in standards:
        what = f"{name} does not run {wanted}."
        yield Finding(
            "target-standard",
            what,
            needs.file,
            1,
            Severity.CHANGE,
            f"It runs: {', '.join(standards)}.",
            "Change cwlVersion.",
        )
    limits = document.get("limits") or {}
    most = limits.get("jobMemoryBytes")
    if isinstance(most, int | float) and needs.memory > most:
        what = f"A step asks for {needs.memory / 2**30:.1f} GiB of memory, and a job there may have {most / 2**30:.1f}."
        yield Finding(
            "target-memory", what, needs.file, 0, Severity.CHANGE, "", "Work by blocks, or ask for less.", name
        )
    if needs.network and not limits.get("network"):
        remedy = "Take the data as inputs: they are staged before the run."
        yield Finding("target-network", f"Jobs of {name} have no network.", needs.file, 0, Severity.ERROR, "", remedy)
    data = document.get("dataTypes") or {}
    known = {str(row.get("mediaType", "")).split(";")[0] for side in data.values() for row in side}
    for media in needs.media_types:
        if known and media not in known:
            what = f"{name} does not list the format {media}."
            yield Finding("target-format", what, "", 0, Severity.WARNING, "It may not show or convert it.", "", name)
    yield from _images(needs, name)


def _images(needs: Needs, name: str) -> Iterator[Finding]:
    for image in needs.images:
        parsed = Image.parse(image)
        if parsed.registry == "docker.io" and parsed.name.startswith("library/") and not parsed.digest:
            what = f"The image {image} is in no registry that {name} can reach."
            remedy = "Release it with a registry in the settings: the released CWL names registry and digest."
            yield Finding("target-image", what, needs.file, 0, Severity.CHANGE, "", remedy, image)
        elif parsed.registry in {"localhost", "terrafair.local"}:
            what = f"The image {image} is on one machine only."
            yield Finding("target-image", what, needs.file, 0, Severity.CHANGE, "", "Push it to a registry.", image)


def _processes(needs: Needs, get: Get, classes: Sequence[str], name: str) -> Iterator[Finding]:
    try:
        get(f"/processes/{quote(needs.process, safe='')}")
    except NotFound:
        pass
    except TerrafairError as fault:
        yield Finding.of(fault.problem, "", Severity.WARNING)
    else:
        return
    deploys = any("ogcapi-processes-2" in uri and uri.rpartition("/")[2] in {_DRU, "dru"} for uri in classes)
    takes = any("ogcapi-processes-2" in uri and uri.rpartition("/")[2] in {"cwl", "ogcapppkg"} for uri in classes)
    if not deploys:
        what = f"{name} does not have the process {needs.process}, and takes none (no Part 2)."
        yield Finding("target-lacks-process", what, needs.file, 0, Severity.ERROR, "", "Ask its operator to deploy it.")
        return
    if needs.type != "cwl":
        what = f"{name} takes CWL application packages, and this is a workflow of the type {needs.type}."
        yield Finding("target-type", what, needs.file, 0, Severity.ERROR, "", "Put a CWL package around it.")
        return
    if not takes:
        what = f"{name} does not say that it takes CWL."
        yield Finding(
            "target-package", what, needs.file, 0, Severity.WARNING, "Its conformance has no class for it.", "Try."
        )
    if needs.network:
        what = f"A step asks for network access, which {name} may not give."
        yield Finding("target-network", what, needs.file, 0, Severity.WARNING)
    yield from _images(needs, name)


def _openeo(needs: Needs, get: Get, landing: Mapping[str, Any], name: str) -> Iterator[Finding]:
    if needs.type != "openeo":
        what = f"{name} is an openEO back-end, and this is a workflow of the type {needs.type}."
        yield Finding(
            "target-type", what, needs.file, 0, Severity.ERROR, "", "Choose another platform, or write it as a graph."
        )
        return
    offered = {
        (str(method), str(each.get("path")))
        for each in landing["endpoints"]
        if isinstance(each, Mapping)
        for method in each.get("methods") or ()
    }
    if ("POST", "/jobs") not in offered:
        severity = Severity.CHANGE if ("POST", "/result") in offered else Severity.ERROR
        yield Finding("target-lacks-jobs", f"{name} has no batch jobs.", "", 0, severity, "", "Run it synchronously.")
    yield from _lacking(needs.processes, _names(get, "/processes", "processes"), "process", name, needs.file)
    yield from _lacking(needs.collections, _names(get, "/collections", "collections"), "collection", name, needs.file)
    if needs.formats and ("GET", "/file_formats") in offered:
        known = {str(each).upper() for each in (get("/file_formats").get("output") or {})}
        for wanted in needs.formats:
            if wanted.upper() not in known:
                what = f"{name} does not write {wanted}."
                why = f"It writes: {', '.join(sorted(known))}."
                yield Finding(
                    "target-format", what, needs.file, 0, Severity.CHANGE, why, "Change the format of save_result."
                )
    if needs.runtimes:
        runtimes = {str(each).lower() for each in (get("/udf_runtimes") if ("GET", "/udf_runtimes") in offered else ())}
        for wanted in needs.runtimes:
            if wanted.lower() not in runtimes:
                what = f"{name} has no UDF runtime {wanted}."
                yield Finding(
                    "target-runtime", what, needs.file, 0, Severity.ERROR, f"It has: {', '.join(runtimes) or 'none'}."
                )


def _lacking(wanted: tuple[str, ...], known: set[str], kind: str, name: str, file: str) -> Iterator[Finding]:
    for each in wanted:
        if each not in known:
            near = difflib.get_close_matches(each, known, 2)
            remedy = f"Did you mean {' or '.join(near)}?" if near else ""
            severity = Severity.CHANGE if near else Severity.ERROR
            yield Finding(
                f"target-lacks-{kind}", f"{name} has no {kind} {each!r}.", file, 0, severity, "", remedy, each
            )


def _names(get: Get, path: str, member: str) -> set[str]:
    found: set[str] = set()
    for _ in range(100):
        page = get(path)
        if not isinstance(page, Mapping):
            return found
        found |= {str(each.get("id")) for each in page.get(member) or () if isinstance(each, Mapping)}
        following = [link["href"] for link in page.get("links") or () if link.get("rel") == "next" and "href" in link]
        if not following or following[0] == path:
            return found
        path = following[0]
    return found
