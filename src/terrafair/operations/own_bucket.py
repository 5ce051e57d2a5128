"""The platform's own bucket may be called otherwise at a new place, if what names it in addresses still leads there.

Addresses of results and uploads stand in rows, documents and people's notebooks. A platform knows its own bucket as
`s3://terrafair` and by its name of today; any other name of before would be forgotten.
"""

from collections.abc import Collection

from terrafair.data.objects import OWN
from terrafair.errors import InvalidInput


def places(buckets: Collection[str], others: Collection[str], wanted: str) -> dict[str, str]:
    """The new name of each bucket by its old one: the own one is called as wanted, the others as before.

    `buckets`: those that hold something. `others`: what projects', people's and the archive's are called.
    Raises `InvalidInput` for a name that would mix or lose them.
    """
    if wanted in others:
        raise InvalidInput(
            f"`store_bucket` is {wanted}, which is the bucket of a project, a person or the archive.",
            remedy="Name another one.",
        )
    own = own_of([name for name in buckets if name not in others], wanted)
    require_found(own, wanted)
    return {own: wanted, **{name: name for name in sorted(buckets) if name != own}}


def own_of(found: Collection[str], wanted: str) -> str:
    """The platform's own one among buckets that are nobody else's; `a or b` where it may be several."""
    if wanted in found:
        return wanted
    return OWN if not found or OWN in found else " or ".join(sorted(found))


def require_found(own: str, wanted: str) -> None:
    """Raise `InvalidInput` where addresses in the own bucket of before would lead nowhere."""
    if own not in {wanted, OWN}:
        raise InvalidInput(
            f"The platform's own bucket was {own}, and `store_bucket` is {wanted}.",
            f"Addresses of its results and uploads say s3://{own}/ and would lead nowhere.",
            "Set `store_bucket` to the name that it had, and make a bucket of that name.",
        )
