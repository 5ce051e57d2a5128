"""The object store: one bucket of an S3 endpoint, or its twin in memory."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from terrafair import tracing
from terrafair.errors import STORE_AWAY, InvalidInput, NotFound, Refused, Unreachable
from terrafair.tracing import Name

KEY_BYTES = 1024
CHUNK = 8 * 2**20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing says of one object."""

    key: str
    size: int
    """Bytes."""
    modified: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """An object being read."""

    size: int
    media_type: str
    chunks: Iterator[bytes]


class ObjectStore(Protocol):
    """Objects by key; every method raises `InvalidInput` for a bad key and `Unreachable` when the store is away."""

    def put(self, key: str, content: bytes, media_type: str = "") -> None:
        """Store bytes; an object of that key is replaced."""
        ...

    def put_file(self, key: str, path: Path, media_type: str = "") -> None:
        """Store a file, in parts when it is large."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes; raises `NotFound`."""
        ...

    def get_file(self, key: str, target: Path) -> None:
        """The bytes into a file; nothing is left at `target` when it fails."""
        ...

    def open(self, key: str) -> Content:
        """The bytes in chunks; raises `NotFound` at once."""
        ...

    def head(self, key: str) -> tuple[int, str]:
        """Size in bytes and media type; raises `NotFound`."""
        ...

    def part(self, key: str, start: int, length: int) -> bytes:
        """So many bytes from a place that lies in the object; fewer only at its end. Raises `NotFound`."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix (whole segments), sorted by key."""
        ...

    def delete(self, prefix: str) -> int:
        """Remove the object of that key and all below it; gives how many."""
        ...

    def url(self, key: str) -> str:
        """`s3://bucket/key`."""
        ...

    def key_of(self, url: str) -> str | None:
        """The key that a `s3://` URL of this store names; None for others'."""
        ...


def check_key(key: str) -> str:
    """The key itself; raises `InvalidInput` for one that S3, a file system or a URL would read in another way."""
    segments = key.split("/")
    wrong = (
        not key
        or len(key.encode("utf-8", "replace")) > KEY_BYTES
        or any(segment in {"", ".", ".."} for segment in segments)
        or any(ord(letter) < 32 or ord(letter) == 127 or letter == "\\" for letter in key)
    )
    if wrong:
        raise InvalidInput(
            f"{key[:100]!r} is no object key.",
            f"A key has no empty, `.` or `..` segment, no control character, and at most {KEY_BYTES} bytes.",
        )
    return key


def _check_prefix(prefix: str) -> None:
    """Empty: everything."""
    if prefix:
        check_key(prefix.rstrip("/"))


OWN = "terrafair"
"""`s3://terrafair/KEY` is an object of the platform's own bucket, whatever that is called: so addresses in the demo,
the templates and the documents hold everywhere, and those of before a move to another bucket too."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach a bucket."""

    endpoint: str
    """`http://host:port`."""
    key: str
    secret: str = field(repr=False)
    bucket: str
    region: str = "us-east-1"


ANSWER = timedelta(seconds=12)
"""How long a store that takes a request may say nothing; with what is tried again some 25 s."""


class S3Objects:
    """The real one, on any S3 endpoint."""

    def __init__(self, access: S3Access, alias: str = "") -> None:
        """`alias`: another name of the bucket, by which addresses may call it too."""
        from obstore.store import S3Store

        self._bucket, self._names = access.bucket, (access.bucket, *([alias] if alias else []))
        where: dict[str, Any] = {
            "endpoint": access.endpoint,
            "access_key_id": access.key,
            "secret_access_key": access.secret,
            "region": access.region,
            "virtual_hosted_style_request": False,
            "retry_config": {"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        }
        client: Any = {"allow_http": True, "timeout": timedelta(minutes=30), "connect_timeout": timedelta(seconds=5)}
        self._store: Any = S3Store(access.bucket, client_options=client, **where)
        # A slow line may send one part for minutes, and hears nothing meanwhile: only questions expect an answer soon.
        client = {**client, "read_timeout": ANSWER}
        self._reads: Any = S3Store(access.bucket, client_options=client, **where)

    def put(self, key: str, content: bytes, media_type: str = "") -> None:
        """Store bytes."""
        import obstore

        with _told(Name.PUT, len(content)), _translated(key):
            obstore.put(self._store, check_key(key), content, attributes=_attributes(media_type))

    def put_file(self, key: str, path: Path, media_type: str = "") -> None:
        """Store a file."""
        import obstore

        with _told(Name.PUT, path.stat().st_size), _translated(key), path.open("rb") as file:
            obstore.put(self._store, check_key(key), file, attributes=_attributes(media_type))

    def get(self, key: str) -> bytes:
        """The bytes."""
        import obstore

        with _told(Name.GET), _translated(key):
            return bytes(obstore.get(self._reads, check_key(key)).bytes())

    def get_file(self, key: str, target: Path) -> None:
        """The bytes into a file."""
        partial = target.with_name(target.name + ".partial")
        try:
            with _told(Name.GET), partial.open("wb") as out:
                for chunk in self.open(key).chunks:
                    out.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def open(self, key: str) -> Content:
        """The bytes in chunks."""
        import obstore

        with _translated(key):
            reply = obstore.get(self._reads, check_key(key))
            size, attributes = int(reply.meta["size"]), reply.attributes
        return Content(size, str(attributes.get("Content-Type", "application/octet-stream")), _chunks(key, reply))

    def head(self, key: str) -> tuple[int, str]:
        """Size and media type."""
        import obstore

        try:
            with _translated(key):
                # A request for no bytes: `head` itself tells no media type.
                reply = obstore.get(self._reads, check_key(key), options={"head": True})
        except Refused:
            # An answer without a body gives no reason; the same question with one does.
            found = self.open(key)
            return found.size, found.media_type
        else:
            return int(reply.meta["size"]), str(reply.attributes.get("Content-Type", "application/octet-stream"))

    def part(self, key: str, start: int, length: int) -> bytes:
        """Bytes from a place."""
        import obstore

        with _translated(key):
            return bytes(obstore.get_range(self._reads, check_key(key), start=start, length=length))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""
        import obstore

        _check_prefix(prefix)
        with _translated(prefix):
            found = [entry for page in obstore.list(self._reads, prefix.rstrip("/")) for entry in page]
        for entry in sorted(found, key=lambda entry: str(entry["path"])):
            yield StoredObject(str(entry["path"]), int(entry["size"]), entry["last_modified"])

    def delete(self, prefix: str) -> int:
        """Remove all below a prefix."""
        import obstore

        check_key(prefix.rstrip("/"))
        keys = [entry.key for entry in self.list(prefix)]
        if not prefix.endswith("/") and self._exists(prefix):
            keys.append(prefix)
        with _told(Name.DELETE), _translated(prefix):
            for start in range(0, len(keys), 500):
                obstore.delete(self._store, keys[start : start + 500])
        return len(keys)

    def url(self, key: str) -> str:
        """Its S3 URL."""
        return f"s3://{self._bucket}/{key}"

    def key_of(self, url: str) -> str | None:
        """The key in this bucket."""
        return next((key for name in self._names if (key := _key_of(name, url)) is not None), None)

    def _exists(self, key: str) -> bool:
        try:
            self.head(key)
        except NotFound:
            return False
        return True


class MemoryObjects:
    """The twin, for tests and try-outs."""

    def __init__(self, bucket: str = "terrafair") -> None:
        self._bucket = bucket
        self._objects: dict[str, tuple[bytes, str, datetime]] = {}

    def put(self, key: str, content: bytes, media_type: str = "") -> None:
        """Store bytes."""
        self._objects[check_key(key)] = (content, media_type, datetime.now(UTC))

    def put_file(self, key: str, path: Path, media_type: str = "") -> None:
        """Store a file."""
        self.put(key, path.read_bytes(), media_type)

    def get(self, key: str) -> bytes:
        """The bytes."""
        return self._get(key)[0]

    def get_file(self, key: str, target: Path) -> None:
        """The bytes into a file."""
        target.write_bytes(self.get(key))

    def open(self, key: str) -> Content:
        """The bytes in chunks."""
        content, media_type, _ = self._get(key)
        return Content(len(content), media_type or "application/octet-stream", iter((content,)))

    def head(self, key: str) -> tuple[int, str]:
        """Size and media type."""
        content, media_type, _ = self._get(key)
        return len(content), media_type or "application/octet-stream"

    def part(self, key: str, start: int, length: int) -> bytes:
        """Bytes from a place."""
        return self._get(key)[0][start : start + length]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""
        _check_prefix(prefix)
        start = prefix.rstrip("/") + "/" if prefix else ""
        for key in sorted(key for key in self._objects if key.startswith(start)):
            content, _, modified = self._objects[key]
            yield StoredObject(key, len(content), modified)

    def delete(self, prefix: str) -> int:
        """Remove all below a prefix."""
        check_key(prefix.rstrip("/"))
        keys = [entry.key for entry in self.list(prefix)]
        keys += [prefix] if prefix in self._objects else []
        for key in keys:
            del self._objects[key]
        return len(keys)

    def url(self, key: str) -> str:
        """Its S3 URL."""
        return f"s3://{self._bucket}/{key}"

    def key_of(self, url: str) -> str | None:
        """The key in this bucket."""
        return _key_of(self._bucket, url)

    def _get(self, key: str) -> tuple[bytes, str, datetime]:
        try:
            return self._objects[check_key(key)]
        except KeyError:
            raise NotFound(f"The object store has nothing at {key!r}.", where=key) from None


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key_of(bucket: str, url: str) -> str | None:
    start = f"s3://{bucket}/"
    return url.removeprefix(start) if url.startswith(start) else None


def _attributes(media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type or "application/octet-stream"}


def _told(name: Name, size: int | None = None) -> AbstractContextManager[tracing.Span]:
    """Part of a trace: what is done, and how large it is."""
    about = {"rpc.system.name": "aws-api", "rpc.method": name.value}
    return tracing.span(name, about if size is None else {**about, "terrafair.object.bytes": size})


def _chunks(key: str, reply: Any) -> Iterator[bytes]:
    with _translated(key):
        for chunk in reply.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """The client's errors as ours."""
    import obstore.exceptions as theirs

    try:
        yield
    except (theirs.NotFoundError, FileNotFoundError) as fault:
        raise NotFound(f"The object store has nothing at {key!r}.", where=key) from fault
    except (theirs.PermissionDeniedError, theirs.UnauthenticatedError) as fault:
        if "<Code>RequestTimeTooSkewed</Code>" in str(fault):
            why = "Its clock and this machine's differ by more than a quarter of an hour."
            mend = "Set the clock of the one that is wrong (NTP)."
            raise Unreachable(f"The object store takes nothing for {key!r}.", why, mend, code=STORE_AWAY) from fault
        raise Refused(f"The object store refuses {key!r}.", "The keys are not accepted there.", where=key) from fault
    except theirs.BaseError as fault:
        if "<Code>NoSuchBucket</Code>" in str(fault):
            remedy = "Make it there first: with `store_url`, the one that the setting `store_bucket` names."
            raise NotFound(f"The object store has no bucket for {key!r}.", remedy=remedy, where=key) from fault
        reason = str(fault).split(", ")[0][:300]
        raise Unreachable(f"The object store does not answer for {key!r}.", reason, code=STORE_AWAY) from fault
