"""The own bucket under another name at a new place."""

import pytest

from terrafair.errors import InvalidInput
from terrafair.operations.own_bucket import places, require_found

OTHERS = ("sg-terrafair-generic", "p-glaciers", "p-never-asked-for")


@pytest.mark.parametrize(
    ("buckets", "wanted", "own"),
    [
        (["terrafair"], "terrafair", "terrafair"),
        (["terrafair"], "results-2026", "terrafair"),
        ([], "results-2026", "terrafair"),
        # It was called so all the time: what lies beside it is left as it is.
        (["results-2026"], "results-2026", "results-2026"),
        (["results-2026", "terrafair"], "results-2026", "results-2026"),
        (["of-another-program", "terrafair"], "results-2026", "terrafair"),
    ],
)
def test_what_becomes_of_each(buckets: list[str], wanted: str, own: str) -> None:
    found = places([*buckets, "p-glaciers"], OTHERS, wanted)
    assert found == {own: wanted} | {name: name for name in (*buckets, "p-glaciers") if name != own}
    assert len(set(found.values())) == len(found), "no two become one"


@pytest.mark.parametrize(
    ("buckets", "wanted", "says"),
    [
        (["former"], "results-2026", "was former, and `store_bucket` is results-2026"),
        (["former", "other"], "results-2026", "was former or other"),
        (["terrafair"], "p-glaciers", "the bucket of a project"),
        (["terrafair"], "sg-terrafair-generic", "or the archive"),
    ],
)
def test_what_would_mix_or_lose_them(buckets: list[str], wanted: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refusal:
        places([*buckets, "p-glaciers"], OTHERS, wanted)
    assert refusal.value.problem.remedy


def test_a_name_that_addresses_know() -> None:
    require_found("terrafair", "results-2026")
    require_found("former", "former")
    with pytest.raises(InvalidInput, match="s3://former/"):
        require_found("former", "terrafair")
