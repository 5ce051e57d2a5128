"""Results of batch jobs as data of other graphs: our own links lead into the object store, not through the web."""

import re
from dataclasses import dataclass

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.results import thing
from terrafair.api.openeo.shelf import Kept, Shelf
from terrafair.api.openeo.signing import Signer
from terrafair.data.objects import ObjectStore
from terrafair.execution.jobs import Jobs
from terrafair.identity.person import Person


@dataclass(frozen=True, slots=True)
class OwnResults:
    """Knows the addresses that `/jobs/{job_id}/results` gives out."""

    shelf: Shelf
    jobs: Jobs
    objects: ObjectStore
    signer: Signer

    def reference(self, address: str, person: Person | None, base: str) -> str | None:
        """Where a job stages it from; None: it is no address of results of ours.

        Raises `OpenEOFault` for a link that has ended, and for a job that is not there or has no results yet.
        """
        if not address.startswith(f"{base}/"):
            return None
        path = address.removeprefix(base).partition("?")[0]
        if found := re.fullmatch(r"/results/([^/]+)/([^/]+)/(.+)", path):
            kept = self.shelf.get(None, found[1])
            self.signer.check(thing(kept), found[2])
            return self._stored(kept, found[3])
        if (found := re.fullmatch(r"/jobs/([^/]+)/results", path)) and person:
            return self._stored(self.shelf.get(person, found[1]), "collection.json")
        return None

    def _stored(self, kept: Kept, name: str) -> str:
        job = str(kept.document.get("job") or "")
        prefix = self.jobs.get(job).results.prefix if job else ""
        if not prefix:
            raise OpenEOFault("JobNotFinished" if job else "JobNotStarted")
        return self.objects.url(f"{prefix.rstrip('/')}/{name}")
