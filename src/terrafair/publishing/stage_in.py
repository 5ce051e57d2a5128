"""Uploads into the archive's stage-in bucket: in parts, with a journal, so that an interrupted one goes on."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.data.objects import S3Access
from terrafair.errors import Refused, Unreachable

PART = 16 * 2**20
"""Bytes; S3 takes 10,000 parts, so larger files get larger ones."""
MOST_PARTS = 9000
RETRIES = 4


@dataclass(slots=True)
class Journal:
    """Which file has been uploaded, and how far; written after each part."""

    file: Path

    def read(self) -> dict[str, Any]:
        """Key -> `{size, sha256, etag}` when done, `{size, sha256, upload}` while under way."""
        try:
            known: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known

    def write(self, key: str, entry: dict[str, Any] | None) -> None:
        """Note the state of one key; None: begin anew."""
        known = self.read()
        known.pop(key, None)
        if entry is not None:
            known[key] = entry
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(known, indent=1), "utf-8")
        partial.replace(self.file)


class StageIn:
    """One bucket, through the S3 interface."""

    def __init__(self, access: S3Access, journal: Journal, *, part: int = PART, timeout: float = 60.0) -> None:
        import boto3
        from botocore.config import Config

        settings = Config(
            retries={"max_attempts": RETRIES, "mode": "standard"},
            connect_timeout=5,
            read_timeout=timeout,
            s3={"addressing_style": "path"},
            # Older S3 servers do not know the checksums that newer clients add unasked.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies={},
        )
        self._bucket = access.bucket
        self._journal = journal
        self._part = part
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=access.endpoint,
            aws_access_key_id=access.key,
            aws_secret_access_key=access.secret,
            region_name=access.region,
            config=settings,
        )

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def url(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self._bucket}/{key}"

    def send(self, path: Path, key: str, sha256: str, say: Callable[[str], None] = lambda _: None) -> None:
        """Upload a file, or what is missing of it; raises `Refused` for keys not accepted, else `Unreachable`."""
        size = path.stat().st_size
        about = {"size": size, "sha256": sha256}
        known = self._journal.read().get(key, {})
        same = {name: known.get(name) for name in about} == about
        with _told(key):
            if same and "etag" in known and self._is_there(key, size):
                return
            say(f"Uploading {path.name} ({size} bytes).")
            if size <= self._part:
                reply = self._s3.put_object(Bucket=self._bucket, Key=key, Body=path.read_bytes())
                etag = str(reply["ETag"])
            else:
                upload = str(known["upload"]) if same and "upload" in known else ""
                etag = self._in_parts(path, key, about, upload)
        self._journal.write(key, {**about, "etag": etag})

    def _is_there(self, key: str, size: int) -> bool:
        from botocore.exceptions import ClientError

        try:
            return bool(self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"] == size)
        except ClientError as fault:
            # Registration moves files out of the stage-in bucket; a file that is gone is sent again.
            if _status(fault) == 404:
                return False
            raise

    def _in_parts(self, path: Path, key: str, about: dict[str, Any], upload: str) -> str:
        from botocore.exceptions import ClientError

        done: dict[int, tuple[str, int]] = {}
        if upload:
            try:
                done = dict(self._parts(key, upload))
            except ClientError as fault:
                if _status(fault) != 404:
                    raise
                upload = ""
        if not upload:
            upload = str(self._s3.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"])
            self._journal.write(key, {**about, "upload": upload})
        length = max(self._part, -(-about["size"] // MOST_PARTS))
        etags = []
        with path.open("rb") as file:
            for number in range(1, -(-about["size"] // length) + 1):
                expected = min(length, about["size"] - (number - 1) * length)
                if done.get(number, ("", 0))[1] != expected:
                    file.seek((number - 1) * length)
                    reply = self._s3.upload_part(
                        Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=file.read(length)
                    )
                    done[number] = (str(reply["ETag"]), expected)
                etags.append({"PartNumber": number, "ETag": done[number][0]})
        whole = self._s3.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": etags}
        )
        return str(whole["ETag"])

    def _parts(self, key: str, upload: str) -> Iterator[tuple[int, tuple[str, int]]]:
        pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload)
        for page in pages:
            for part in page.get("Parts", ()):
                yield int(part["PartNumber"]), (str(part["ETag"]), int(part["Size"]))


def _status(fault: Any) -> int:
    code = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return 404 if fault.response.get("Error", {}).get("Code") in {"NoSuchUpload", "NoSuchKey"} else int(code)


@contextmanager
def _told(key: str) -> Iterator[None]:
    """The client's errors as ours."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as fault:
        said = str(fault.response.get("Error", {}).get("Message", "")) or str(fault)
        if _status(fault) in {401, 403}:
            remedy = "Mend the archive's user, password and bucket in the settings."
            raise Refused(f"The archive's stage-in bucket refuses {key!r}.", said, remedy, code="stage-in") from None
        raise Unreachable(
            f"The archive's stage-in bucket does not take {key!r}.", said, "Publish again: it goes on from there."
        ) from None
    except (BotoCoreError, Boto3Error) as fault:
        raise Unreachable(
            f"The upload of {key!r} broke off.", str(fault)[:300], "Publish again: it goes on from there."
        ) from None
