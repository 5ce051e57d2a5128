"""Builds, runs and releases of one's projects in one list, with what their logs say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from terrafair.development.changes import Changes
from terrafair.development.releases import Release, Releases
from terrafair.errors import NotFound
from terrafair.execution.builtin import BUILD
from terrafair.execution.job import Job, Owner
from terrafair.execution.jobs import Jobs, Selection
from terrafair.identity.access import Action, may
from terrafair.identity.asking import asker
from terrafair.workflows.processes import Processes

Document = dict[str, Any]
BATCH, LOOKED = 100, 1000
"""Jobs read at once, and in all for one page: a rare word must not read every log that there is."""
LOG_LINES, FOUND = 5000, 3


@dataclass(frozen=True, slots=True)
class Activity:
    """What the asker may see of it; `jobs` is guarded."""

    jobs: Jobs
    releases: Releases
    processes: Processes
    changes: Changes | None = None

    def activity(self, wanted: Mapping[str, str], limit: int) -> tuple[list[Document], str]:
        """Newest first, with the query of the next page; as `portal.activity.Development` says."""
        rows = list(self._jobs(wanted, limit))
        # Releases have no status and no log of their own: their build has.
        if wanted.get("what", "release") == "release" and not {"status", "log"} & wanted.keys():
            rows += self._releases(wanted)
        rows = sorted(rows, key=lambda row: str(row["when"]), reverse=True)[:limit]
        more = urlencode({**wanted, "before": rows[-1]["when"]}) if len(rows) == limit else ""
        return rows, more

    def projects(self) -> list[str]:
        """One's own."""
        return sorted(asker().actor.projects)

    def workflows(self) -> list[Document]:
        """Each released workflow by its newest version, with the number of versions; the latest release first."""
        found: dict[str, Document] = {}
        for each in self.releases.history():
            if _seen(each):
                known = found.setdefault(each.name, {**each.document(), "versions": 0})
                known["versions"] += 1
        return list(found.values())

    def versions(self, name: str) -> list[Document]:
        """Releases of a workflow; raises `NotFound` where there are none, or none to be seen."""
        found = [each.document() for each in self.releases.history(name) if _seen(each)]
        if not found:
            what = f"There is no released workflow {name[:80]!r}."
            raise NotFound(what, remedy="`terrafair releases` lists them.", where="name")
        return found

    def document(self, process: str) -> str:
        """What is executed under an id."""
        content, _ = self.processes.package(process)
        return content.decode("utf-8", "replace")

    def sources(self, name: str, old: str, new: str) -> list[tuple[str, str]]:
        """What differs in the sources of two versions; raises `NotFound` where they are not at hand."""
        if self.changes is None:
            raise NotFound("This platform keeps no sources.")
        return self.changes.between(self.releases.get(name, old), self.releases.get(name, new))

    def _jobs(self, wanted: Mapping[str, str], limit: int) -> Iterator[Document]:
        if wanted.get("what") == "release":
            return
        chosen = Selection(
            states=tuple(filter(None, [wanted.get("status", "")])),
            created=("", wanted.get("before", "")),
            projects=tuple(filter(None, [wanted.get("project", "")])),
            text=wanted.get("text", ""),
        )
        last, looked, told = "", 0, 0
        while looked < LOOKED and told < limit:
            batch = self.jobs.select(chosen, BATCH, last)
            for job in batch:
                if (row := self._row(job, wanted)) and told < limit:
                    told += 1
                    yield row
            if len(batch) < BATCH:
                return
            last, looked = batch[-1].id, looked + len(batch)

    def _row(self, job: Job, wanted: Mapping[str, str]) -> Document | None:
        what = "build" if job.request.kind == BUILD else "run"
        before = wanted.get("before", "")
        if wanted.get("what", what) != what or (before and job.created >= before):
            return None
        lines = list(self._lines(job.id, wanted["log"])) if wanted.get("log") else []
        if wanted.get("log") and not lines:
            return None
        version = str(job.request.inputs.get("version") or "") if what == "build" else ""
        return {
            "what": what,
            "when": job.created,
            "title": job.request.subject,
            "href": f"/results/{job.id}",
            "status": job.state.value,
            "project": job.owner.project,
            "author": job.owner.author,
            "words": f"as {version}" if version else "",
            "lines": lines,
        }

    def _lines(self, job: str, words: str) -> Iterator[tuple[int, str]]:
        asked, found = words.lower().split(), 0
        for line in self.jobs.log(job, 0, LOG_LINES):
            text = line.message.lower()
            if all(word in text for word in asked):
                found += 1
                yield line.number, line.message[:200]
                if found == FOUND:
                    return

    def _releases(self, wanted: Mapping[str, str]) -> Iterator[Document]:
        words, before = wanted.get("text", "").lower().split(), wanted.get("before", "")
        for each in self.releases.history():
            named = all(word in each.name.lower() for word in words)
            ours = wanted.get("project", each.project) == each.project and _seen(each)
            if not (named and ours) or (before and each.created >= before):
                continue
            yield {
                "what": "release",
                "when": each.created,
                "title": f"{each.name} {each.version}",
                "href": f"/develop/workflows/{quote(each.name, safe='')}",
                "status": "",
                "project": each.project,
                "author": each.author,
                "words": "",
                "lines": [],
            }


def _seen(release: Release) -> bool:
    return may(asker().actor, Action.READ, Owner(release.project, release.author).thing)
