"""The official process tests, each a case of its own; those that are wrong upstream are named with the reason."""

import os
from pathlib import Path

import pytest

from terrafair.errors import TerrafairError
from terrafair.execution.engines.openeo.codes import name_of

from .mended import MENDED
from .official import Case, cases, decoded, differences, run

FOLDER = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[4] / "../shared/data")).resolve()
FOLDER = FOLDER / "openeo" / "process-tests"

_JUNE = "the cube's dates are in June 2020, the intervals in January; no reading gives the expected values"
_INVERTED = "expects the inverse of the specification's rule: masked values stay, others go"
_LABELS = "expects labels that are not those of the specification for this period"
_RENAMED = "expects the dimension t2 to become t; the specification says that names stay"
_AXES = "expects a cube whose dimension names and axes contradict each other"
WRONG_UPSTREAM = {
    **{f"aggregate_temporal-{number}": _JUNE for number in (5, 6, 7, 8, 9)},
    "aggregate_temporal-10": "expects medians from the reducer mean",
    "aggregate_temporal_period-3": _LABELS,
    "aggregate_temporal_period-4": _LABELS,
    "aggregate_temporal_period-8": _RENAMED,
    "aggregate_temporal_period-9": _RENAMED,
    "array_element-3": "asks for the label BO2 with the letter O",
    "filter_bands-4": "asks for red and blue, expects blue and green",
    "lte-15": "infinity equals infinity, as gte-15 says",
    "mask-0": _INVERTED,
    "mask-1": "refers to a file that does not exist",
    "mask-2": _INVERTED,
    "mask_polygon-0": _INVERTED,
    "mask_polygon-1": _INVERTED,
    "mask_polygon-6": "one of its 24 planes is masked by another polygon than the others",
    "product-10": "the product of -infinity and infinity is -infinity",
    "reduce_dimension-1": "expects a number where the band blue has its no-data value 255",
    "rename_dimension-3": _AXES,
    "rename_dimension-4": _AXES,
}


def parameters() -> list[object]:
    if not FOLDER.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip("the official process tests are not here"))]
    return [
        pytest.param(case, id=case.id, marks=pytest.mark.skip(f"wrong upstream: {WRONG_UPSTREAM[case.id]}"))
        if case.id in WRONG_UPSTREAM
        else pytest.param(case, id=case.id)
        for case in cases(FOLDER)
    ]


@pytest.mark.parametrize("case", parameters())
def test_process(case: Case) -> None:
    if case.throws and not case.has_return:
        with pytest.raises(TerrafairError) as caught:
            run(case.process, case.arguments, case.folder)
        if isinstance(case.throws, str):
            assert name_of(caught.value.problems[0]) == case.throws
        return
    found = decoded(run(case.process, case.arguments, case.folder))
    assert differences(case.returns, found, case.delta, case.folder) == []


def wrong_ones() -> list[object]:
    found = {case.id: case for case in cases(FOLDER)} if FOLDER.is_dir() else {}
    return [pytest.param(change(found[name]), id=name) for name, change in MENDED.items() if name in found]


@pytest.mark.parametrize("case", wrong_ones())
def test_a_wrong_case_holds_once_it_is_mended(case: Case) -> None:
    found = decoded(run(case.process, case.arguments, case.folder))
    assert differences(case.returns, found, case.delta, case.folder) == []


def test_few_cases_are_left_out() -> None:
    """The list of wrong cases must not grow into an excuse."""
    assert len(WRONG_UPSTREAM) <= 23
    assert set(MENDED) == set(WRONG_UPSTREAM)
