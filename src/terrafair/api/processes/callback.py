"""What subscribers of a job are sent: the status while it runs, the results or the reasons at its end."""

from collections.abc import Callable

import orjson

from terrafair.api.processes import results, status
from terrafair.api.processes.executions import Executions
from terrafair.api.processes.results import Wish
from terrafair.data.objects import ObjectStore


def document(executions: Executions, objects: ObjectStore, base: Callable[[], str]) -> Callable[[str, str], bytes]:
    """Give what makes the document for (job, moment); links in it begin with the platform's own address."""

    def make(id: str, moment: str) -> bytes:  # noqa: A002 - the field's word
        job = executions.job(id)
        if moment != "successful":
            return orjson.dumps(status.status(job, base()))
        delivery = job.request.delivery
        found = results.products(job, objects, base())
        wish = Wish("document", delivery.get("outputs"))
        return orjson.dumps(results.inline(found, wish, objects))

    return make
