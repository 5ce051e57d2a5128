"""`s3://` addresses in projects' own buckets, as what jobs read: for those who may read the bucket, and nobody else."""

from collections.abc import Callable
from dataclasses import dataclass

from terrafair.data.objects import ObjectStore
from terrafair.data.project_buckets import bucket_of
from terrafair.errors import NotFound
from terrafair.identity import asking
from terrafair.identity.access import Action, Kind, Thing, Visibility, may

BEGINNINGS = ("s3://p-", "s3://h-")
"""As `bucket_of` names them."""


@dataclass(frozen=True, slots=True)
class BucketInputs:
    """Opens the bucket of an address with the rights of whoever asks."""

    bucket: Callable[[str], ObjectStore]
    """A project's own."""

    def __call__(self, reference: str) -> tuple[ObjectStore, str] | None:
        """The bucket and the key in it; None: the address is of no project's bucket.

        Raises `NotFound` for a bucket that the asker may not read, as for one that is not there.
        """
        if not reference.startswith(BEGINNINGS):
            return None
        name, _, key = reference.removeprefix("s3://").partition("/")
        project = _project(name)
        if project is None:
            raise NotFound(f"There is nothing at {reference[:200]}.", where=reference[:200])
        return self.bucket(project), key


def _project(bucket: str) -> str | None:
    """Whose bucket it is, of the projects whose buckets the asker may read."""
    actor = asking.actor()
    named = {bucket.removeprefix("p-")} if actor.operator and bucket.startswith("p-") else set()
    for project in (*actor.roles, *named):
        readable = may(actor, Action.READ, Thing(Kind.BUCKET, project, visibility=Visibility.PROJECT))
        if bucket_of(project) == bucket and readable:
            return project
    return None
