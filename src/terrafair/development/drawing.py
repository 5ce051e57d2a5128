"""A CWL workflow as a picture: inputs, steps and outputs in layers, each line one that data goes along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from terrafair.errors import InvalidInput
from terrafair.workflows.cwl import entry_of

MOST = 200
"""Boxes of one picture."""
WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 168, 46, 26, 44, 12
LETTERS = 22
SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Box:
    """One input, step or output."""

    id: str
    kind: str
    """`input`, `step` or `output`."""
    title: str
    note: str = ""
    """What a step runs, or the type of a port."""
    sources: tuple[str, ...] = ()
    """Boxes whose data it takes."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with the same in words."""

    svg: str
    words: tuple[str, ...]
    """One line for each box, in the order of the data's way."""


def draw(document: Any, entry: str = "") -> Drawing:
    """The workflow of a CWL document; a tool alone is one step. Raises `InvalidInput` for what is none."""
    if not isinstance(document, Mapping):
        raise InvalidInput("There is nothing to draw: the document is no object.", code="cwl-invalid")
    boxes = list(_boxes(document, entry))
    if not boxes:
        raise InvalidInput("There is nothing to draw yet: no inputs, steps or outputs.", code="cwl-invalid")
    if len(boxes) > MOST:
        what = f"The workflow has {len(boxes)} inputs, steps and outputs."
        raise InvalidInput(what, f"At most {MOST} are drawn.", code="too-large")
    first = _layers(boxes)
    layers = _ordered(_threaded(first))
    ordered = [box for layer in first for box in layer]
    return Drawing(_svg(layers), tuple(_words(box, boxes) for box in ordered))


def _boxes(document: Mapping[str, Any], entry: str) -> Iterator[Box]:
    process = _process(document, entry)
    if process.get("class") != "Workflow":
        inputs = [name for name, _ in _entries(process.get("inputs"))]
        yield from (Box(f"in/{name}", "input", name, _type(said)) for name, said in _entries(process.get("inputs")))
        if process.get("class"):
            name = _bare(process.get("id")) or str(process["class"])
            yield Box("step/", "step", name, _command(process), tuple(f"in/{each}" for each in inputs))
        for name, said in _entries(process.get("outputs")):
            yield Box(f"out/{name}", "output", name, _type(said), ("step/",))
        return
    names = {name for name, _ in _entries(process.get("steps"))}
    for name, said in _entries(process.get("inputs")):
        yield Box(f"in/{name}", "input", name, _type(said))
    for name, said in _entries(process.get("steps")):
        step = said if isinstance(said, Mapping) else {}
        found = [source for _, port in _entries(step.get("in")) for source in _sources(port, "source", names)]
        yield Box(f"step/{name}", "step", name, _runs(step), tuple(dict.fromkeys(found)))
    for name, said in _entries(process.get("outputs")):
        found = _sources(said if isinstance(said, Mapping) else {}, "outputSource", names)
        yield Box(f"out/{name}", "output", name, _type(said), tuple(dict.fromkeys(found)))


def _process(document: Mapping[str, Any], entry: str) -> Mapping[str, Any]:
    wanted, graph = entry_of(document, entry), document.get("$graph")
    for each in graph if isinstance(graph, list) else ():
        if isinstance(each, Mapping) and _bare(each.get("id")) == wanted:
            return each
    return document


def _entries(given: Any) -> list[tuple[str, Any]]:
    if isinstance(given, Mapping):
        return [(str(name), said) for name, said in given.items()]
    found = given if isinstance(given, list) else []
    return [
        (_bare(each["id"]).rpartition("/")[2], each) for each in found if isinstance(each, Mapping) and "id" in each
    ]


def _bare(identifier: Any) -> str:
    return str(identifier or "").rpartition("#")[2]


def _sources(port: Any, key: str, steps: set[str]) -> list[str]:
    """The boxes that a port takes its data from: `input`, `step/output`, `#main/step/output`, or a list of them."""
    given = port.get(key) if isinstance(port, Mapping) else port
    found = []
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, str) and each:
            parts = _bare(each).split("/")
            step = next((part for part in parts[:-1] if part in steps), None)
            found.append(f"step/{step}" if step else f"in/{parts[-1]}")
    return found


def _type(said: Any) -> str:
    given = said.get("type", "") if isinstance(said, Mapping) else said
    if isinstance(given, list):
        return " or ".join(_type(each) for each in given)
    if isinstance(given, Mapping):
        return f"{_type(given.get('items'))}[]" if given.get("type") == "array" else str(given.get("type") or "")
    return str(given or "")


def _command(process: Mapping[str, Any]) -> str:
    command = process.get("baseCommand")
    return " ".join(map(str, command)) if isinstance(command, list) else str(command or process.get("class") or "")


def _runs(step: Mapping[str, Any]) -> str:
    run = step.get("run")
    named = _bare(run) or str(run) if isinstance(run, str) else ""
    told = named.rpartition("/")[2] or (_command(run) if isinstance(run, Mapping) else "")
    scatter = step.get("scatter")
    over = ", ".join(map(str, scatter)) if isinstance(scatter, list) else str(scatter or "")
    return f"{told} for each {over}" if over else told


def _layers(boxes: Sequence[Box]) -> list[list[Box]]:
    """Each box below all that it takes from; what goes round in circles is drawn where it was met first."""
    known = {box.id: box for box in boxes}
    depth: dict[str, int] = {}

    def deep(start: str) -> None:
        path: list[str] = [start]
        while path:
            box = known[path[-1]]
            open_ = [each for each in box.sources if each in known and each not in depth and each not in path]
            if open_:
                path.append(open_[0])
                continue
            depth[box.id] = max((depth[each] + 1 for each in box.sources if each in depth), default=0)
            path.pop()

    for box in boxes:
        if box.id not in depth:
            deep(box.id)
    last = max(depth.values())
    for box in boxes:
        if box.kind == "output":
            depth[box.id] = last if last and last == max(depth[each.id] for each in boxes) else depth[box.id]
    layers: list[list[Box]] = [[] for _ in range(max(depth.values()) + 1)]
    for box in boxes:
        layers[depth[box.id]].append(box)
    return layers


def _threaded(layers: list[list[Box]]) -> list[list[Box]]:
    """With a place in each layer that a line passes, so that none goes behind a box."""
    depth = {box.id: number for number, layer in enumerate(layers) for box in layer}
    found: list[list[Box]] = [[] for _ in layers]
    made: dict[tuple[str, int], str] = {}
    for number, layer in enumerate(layers):
        for box in layer:
            near = []
            for source in box.sources:
                last = source
                for between in range(depth.get(source, number) + 1, number):
                    name = made.get((source, between), "")
                    if not name:
                        name = made[source, between] = f"via/{between}/{source}"
                        found[between].append(Box(name, "via", "", "", (last,)))
                    last = name
                near.append(last)
            found[number].append(replace(box, sources=tuple(near)))
    return found


def _ordered(layers: list[list[Box]]) -> list[list[Box]]:
    """With each box near the middle of its neighbours, so that few lines cross."""
    targets: dict[str, list[str]] = {}
    for box in (each for layer in layers for each in layer):
        for source in box.sources:
            targets.setdefault(source, []).append(box.id)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            place = {box.id: number - len(row) / 2 for row in layers for number, box in enumerate(row)}
            near = {box.id: list(box.sources) if downwards else targets.get(box.id, []) for box in layer}
            layer.sort(key=lambda box: _middle(near[box.id], place, place[box.id]))
    return layers


def _middle(near: Sequence[str], place: Mapping[str, float], own: float) -> float:
    found = [place[each] for each in near if each in place]
    return sum(found) / len(found) if found else own


@dataclass(slots=True)
class _Canvas:
    shapes: list[str] = field(default_factory=list)

    def box(self, box: Box, x: float, y: float) -> None:
        """One rectangle with its words."""
        middle = x + WIDTH / 2
        told = f"{box.title}: {box.note}" if box.note else box.title
        radius = 4 if box.kind == "step" else HEIGHT / 2
        self.shapes.append(
            f'<g class="{box.kind}"><title>{escape(told)}</title>'
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="{radius:g}"/>'
            f'<text x="{middle:g}" y="{y + (20 if box.note else 28):g}" class="name">{escape(_cut(box.title))}</text>'
            + (f'<text x="{middle:g}" y="{y + 36:g}">{escape(_cut(box.note))}</text>' if box.note else "")
            + "</g>"
        )

    def line(self, start: tuple[float, float], end: tuple[float, float], *, ends: bool) -> None:
        """From the bottom of one box to the top of another."""
        bend = max(abs(end[1] - start[1]) / 2, 14)
        (x0, y0), (x1, y1) = start, end
        tip = ' marker-end="url(#tip)"' if ends else ""
        self.shapes.append(f'<path d="M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"{tip}/>')


def _svg(layers: Sequence[Sequence[Box]]) -> str:
    most = max(len(layer) for layer in layers)
    width = most * (WIDTH + ACROSS) - ACROSS + 2 * EDGE
    height = len(layers) * (HEIGHT + DOWN) - DOWN + 2 * EDGE
    place: dict[str, tuple[float, float]] = {}
    for row, layer in enumerate(layers):
        left = (width - len(layer) * (WIDTH + ACROSS) + ACROSS) / 2
        for number, box in enumerate(layer):
            place[box.id] = (left + number * (WIDTH + ACROSS), EDGE + row * (HEIGHT + DOWN))
    canvas = _Canvas()
    for box in (each for layer in layers for each in layer):
        x, y = place[box.id]
        for source in box.sources:
            if source in place:
                start = (place[source][0] + WIDTH / 2, place[source][1] + HEIGHT)
                canvas.line(start, (x + WIDTH / 2, y - 5), ends=box.kind != "via")
        if box.kind == "via":
            canvas.line((x + WIDTH / 2, y - 5), (x + WIDTH / 2, y + HEIGHT), ends=False)
    for box in (each for layer in layers for each in layer if each.kind != "via"):
        canvas.box(box, *place[box.id])
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    count = sum(box.kind == "step" for layer in layers for box in layer)
    about = f"{count} step{'' if count == 1 else 's'} with what they take and give; the list below says the same."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="drawing-title drawing-desc">'
        f'<title id="drawing-title">The workflow as a graph</title><desc id="drawing-desc">{about}</desc>'
        f'<defs>{tip}<path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>{"".join(canvas.shapes)}</svg>'
    )


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def _words(box: Box, boxes: Sequence[Box]) -> str:
    titles = {each.id: f"{each.kind} {each.title}" for each in boxes}
    known = [titles[each] for each in box.sources if each in titles]
    lost = [each.partition("/")[2] for each in box.sources if each not in titles]
    note = f" ({box.note})" if box.note else ""
    told = f"{box.kind.capitalize()} {box.title}{note}"
    told += f" takes from {', '.join(known)}" if known else ""
    return f"{told}; nothing here is called {', '.join(lost)}" if lost else told
