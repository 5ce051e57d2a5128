"""What array processes give, for the static check."""

# ruff: noqa: D103 -- each is the rule of the process of its name

from typing import Any

from terrafair.execution.engines.openeo.abstract import ANY, Cube, Items, Some, nearest
from terrafair.execution.engines.openeo.call import Call


def dimension_labels(call: Call) -> Items:
    found = call.dimension(call.cube(), "dimension")
    return Items(None, found.count if found is not None else None)


def array_element(call: Call) -> Any:
    array, label, index = call.arguments.get("data"), call.get("label"), call.get("index")
    given = {"index", "label"} & {name for name, value in call.arguments.items() if value is not None}
    if not given:
        what = "array_element: neither `index` nor `label` is given."
        call.report(what, "", "Give one of them.", "index", "array-element-parameter-missing")
    elif len(given) > 1:
        what = "array_element: `index` and `label` exclude each other."
        call.report(what, "", "Give one of them.", "label", "array-element-parameter-conflict")
    if not isinstance(array, Items) or call.get("return_nodata"):
        return ANY
    if label is not None and array.labels is not None and label not in array.labels:
        what = f"array_element: there is no element labelled {label!r}."
        why = f"Labels: {', '.join(map(str, array.labels[:30]))}."
        call.report(what, why, nearest(label, array.labels), "label", "array-element-not-available")
    size = array.size if array.size is not None or array.labels is None else len(array.labels)
    if isinstance(index, int) and size is not None and index >= size:
        what = f"array_element: there is no element {index}; the array has {size}."
        call.report(what, "Indices start at 0.", "", "index", "array-element-not-available")
    return ANY


def array_create(call: Call) -> Any:
    data, repeat = call.arguments.get("data"), call.get("repeat")
    size = len(data) if isinstance(data, list) else None
    times = repeat if isinstance(repeat, int) else 1
    if size is not None and size * times > ARRAY_LIMIT:
        what = f"array_create: the array would have {size * times} elements."
        call.report(what, f"The limit is {ARRAY_LIMIT}.", "Make it shorter.", "repeat", "graph-too-large")
    return Items(None, None if size is None else size * times)


ARRAY_LIMIT = 1_000_000


def array_same(call: Call) -> Any:
    array = call.arguments.get("data")
    if isinstance(array, list):
        return Items(None, len(array))
    return array if isinstance(array, Items) else Items()


def if_(call: Call) -> Any:
    accept, reject = call.arguments.get("accept"), call.arguments.get("reject")
    return accept if type(accept) is type(reject) and isinstance(accept, Cube | Items) else ANY


def constant(call: Call) -> Any:
    return call.arguments.get("x", ANY)


def elementwise(call: Call) -> Any:
    """Arithmetic on arrays gives arrays."""
    values = list(call.arguments.values())
    return next((value for value in values if isinstance(value, Items)), Some("number"))


def run_udf(call: Call) -> Any:
    data = call.arguments.get("data")
    return Cube() if isinstance(data, Cube) else ANY
