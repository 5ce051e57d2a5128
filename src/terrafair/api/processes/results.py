"""What an execution gave, in the form that its caller wants: one document, raw, in parts, or as links."""

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from fastapi.responses import Response, StreamingResponse

from terrafair.data.objects import ObjectStore
from terrafair.errors import InvalidInputs, NotFound, Problem
from terrafair.execution.job import Job
from terrafair.workflows.process import RESULT

INLINE_LIMIT = 16 * 2**20
"""Bytes of a file that a document may hold; larger ones are linked whatever was asked for."""
VALUES = "values.json"
"""Where engines leave outputs that are no files."""
SANDBOXED = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Value:
    """An output that is a plain value."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class File:
    """An output that is a file."""

    name: str
    key: str
    """In the object store."""
    href: str
    media_type: str
    size: int
    title: str = ""


Product = Value | File


@dataclass(frozen=True, slots=True)
class Wish:
    """How the results are wanted."""

    response: str = ""
    outputs: Mapping[str, str] | None = None
    returned: str = ""
    """`minimal` or `representation`, from the Prefer header."""
    single_raw: bool = False
    """Whether one output alone comes raw where nothing is said."""
    parts: bool = False
    """Whether the Accept header asks for multipart."""

    def mode(self, product: Product) -> str:
        """How one output is transmitted."""
        wanted = (self.outputs or {}).get(product.name, "")
        if isinstance(product, Value):
            return "value"
        if wanted:
            return wanted if product.size <= INLINE_LIMIT else "reference"
        return "value" if self.returned == "representation" and product.size <= INLINE_LIMIT else "reference"


def products(job: Job, objects: ObjectStore, base: str) -> list[Product]:
    """The outputs of a job that has ended well."""
    results = job.results
    place = f"{base}/api/jobs/{job.id}/files/"
    found: list[Product] = []
    known = {asset.name: asset for asset in results.assets}
    for name, path in results.outputs.items():
        if path == VALUES and name == "values":
            values = orjson.loads(objects.get(f"{results.prefix.rstrip('/')}/outputs/{VALUES}"))
            found += [Value(output, value) for output, value in values.items()]
            continue
        if asset := known.get(path) or known.get("catalog.json" if path == "." else f"{path}/catalog.json"):
            href = place + quote(asset.key.removeprefix(f"{results.prefix.rstrip('/')}/"))
            found.append(File(name, asset.key, href, asset.media_type, asset.size))
        elif results.collection:
            # A folder of files: the collection says what lies in it.
            found.append(_collection(name, job, objects, place))
    if results.collection:
        taken = any(product.name == RESULT for product in found)
        found.append(_collection("stac" if taken else RESULT, job, objects, place))
    return found


def _collection(name: str, job: Job, objects: ObjectStore, place: str) -> File:
    key = job.results.collection
    size = objects.open(key).size
    href = place + quote(key.removeprefix(f"{job.results.prefix.rstrip('/')}/"))
    return File(name, key, href, "application/json", size, "STAC Collection of the result")


def chosen(found: Sequence[Product], wish: Wish) -> list[Product]:
    """The outputs that are wanted; `name` stands for `name[0]`, `name[1]` ... too."""
    if wish.outputs is None:
        return list(found)
    return [product for product in found if _base(product.name) in wish.outputs or product.name in wish.outputs]


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise `InvalidInputs` for each output that a process does not have."""
    strange = [name for name in names if name not in known]
    if strange:
        remedy = f"It has: {', '.join(known)}."
        raise InvalidInputs(
            [
                Problem(f"There is no output {name[:80]!r}.", "", remedy, f"outputs/{name[:80]}", "output-unknown")
                for name in strange
            ]
        )


def response(found: Sequence[Product], wish: Wish, objects: ObjectStore) -> Response:
    """The answer."""
    wanted = chosen(found, wish)
    alone = len(wanted) == 1
    if wish.response == "raw" or (not wish.response and wish.single_raw and alone):
        if wanted and all(_linked(product, wish) for product in wanted):
            links = ", ".join(_header(product) for product in wanted if isinstance(product, File))
            return Response(status_code=204, headers={"Link": links})
        return raw(wanted[0], objects) if alone else parts(wanted, wish, objects)
    if wish.parts and not wish.response:
        return parts(wanted, wish, objects)
    return Response(orjson.dumps(inline(found, wish, objects)), media_type="application/json")


def inline(found: Sequence[Product], wish: Wish, objects: ObjectStore) -> dict[str, Any]:
    """The results document."""
    return dict(_inline(chosen(found, wish), wish, objects))


def _linked(product: Product, wish: Wish) -> bool:
    """Raw means the bytes, unless a reference was asked for in so many words."""
    return isinstance(product, File) and (wish.outputs or {}).get(product.name, "") == "reference"


def _header(file: File) -> str:
    return f'<{file.href}>; rel="{file.name}"; type="{file.media_type}"'


def raw(product: Product, objects: ObjectStore) -> Response:
    """One output as it is."""
    if isinstance(product, Value):
        if isinstance(product.value, str):
            return Response(product.value.encode(), media_type="text/plain; charset=utf-8")
        return Response(orjson.dumps(product.value), media_type="application/json")
    content = objects.open(product.key)
    headers = {"Content-Length": str(content.size), "Content-Security-Policy": SANDBOXED}
    return StreamingResponse(content.chunks, media_type=product.media_type or content.media_type, headers=headers)


def parts(wanted: Sequence[Product], wish: Wish, objects: ObjectStore) -> Response:
    """Several outputs in one `multipart/related` body; files come as they are read."""
    boundary = secrets.token_hex(16)

    def body() -> Iterator[bytes]:
        for product in wanted:
            yield f"--{boundary}\r\nContent-ID: <{product.name}>\r\n".encode()
            if isinstance(product, Value):
                text = isinstance(product.value, str)
                content = product.value.encode() if text else orjson.dumps(product.value)
                kind = "text/plain; charset=utf-8" if text else "application/json"
                yield f"Content-Type: {kind}\r\n\r\n".encode() + content
            elif _linked(product, wish):
                yield f"Content-Type: {product.media_type}\r\nContent-Location: {product.href}\r\n\r\n".encode()
            else:
                yield f"Content-Type: {product.media_type}\r\n\r\n".encode()
                yield from objects.open(product.key).chunks
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return StreamingResponse(body(), media_type=f'multipart/related; boundary="{boundary}"')


def _inline(wanted: Sequence[Product], wish: Wish, objects: ObjectStore) -> Iterator[tuple[str, Any]]:
    """Name and value in the results document; the files of one output that are several become a list."""
    several: dict[str, list[Any]] = {}
    for product in wanted:
        value = _member(product, wish, objects)
        if _base(product.name) == product.name:
            yield product.name, value
        else:
            several.setdefault(_base(product.name), []).append(value)
    yield from several.items()


def _member(product: Product, wish: Wish, objects: ObjectStore) -> Any:
    if isinstance(product, Value):
        value = product.value
        # An object as it is could be taken for a link or a qualified value.
        return {"value": value} if isinstance(value, dict) and not isinstance(value.get("bbox"), list) else value
    if wish.mode(product) == "reference":
        return {
            "href": product.href,
            "type": product.media_type,
            "title": product.title or product.name,
        }
    content = objects.get(product.key)
    if "json" in product.media_type:
        try:
            return {"value": orjson.loads(content), "mediaType": product.media_type}
        except orjson.JSONDecodeError:
            pass
    encoded = base64.b64encode(content).decode()
    return {"value": encoded, "encoding": "base64", "mediaType": product.media_type}


def one(found: Sequence[Product], name: str) -> Product:
    """One output by its name; raises `NotFound`."""
    for product in found:
        if product.name == name:
            return product
    names = ", ".join(product.name for product in found)
    raise NotFound(f"There is no output {name[:80]!r}.", remedy=f"There are: {names}.", where="outputID")


def _base(name: str) -> str:
    """`files[3]` is the fourth of `files`."""
    head, bracket, rest = name.partition("[")
    return head if bracket and rest.endswith("]") and rest[:-1].isdigit() else name
