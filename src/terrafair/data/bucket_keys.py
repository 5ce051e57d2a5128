"""Short-lived keys for one bucket: made at the store's IAM, or at its security token service; and links that end.

The rules of S3's policies that hold here are few: read, or read and write objects of one bucket. Nothing that would
open a bucket to others (policies, access lists) is among them.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from terrafair.data.objects import S3Access, check_key
from terrafair.errors import Conflict, NotFound, Refused, Unreachable

READ = ("s3:GetObject", "s3:ListBucket")
WRITE = (*READ, "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
USER = "tf-key-"


@dataclass(frozen=True, slots=True)
class BucketKeys:
    """Keys for one bucket."""

    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Session token; empty where the store needs none."""
    handle: str = ""
    """What ends them; empty: they end by themselves."""


class KeyMaker(Protocol):
    """Makes and ends keys; raises `Unreachable`, or `Refused` with what the store says."""

    def make(self, bucket: str, *, write: bool, seconds: int, identity: str) -> BucketKeys:
        """New keys; `identity` is the person's token of an OpenID Connect provider, where one is at hand."""
        ...

    def end(self, handle: str) -> None:
        """End keys; those that have ended already are no error."""
        ...


def policy(bucket: str, *, write: bool) -> str:
    """The policy document of S3 that allows it."""
    place = f"arn:aws:s3:::{bucket}"
    allowed = {"Effect": "Allow", "Action": list(WRITE if write else READ), "Resource": [place, f"{place}/*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@dataclass(slots=True)
class IamKeys:
    """By IAM: a user for each pair of keys, taken away when their time is over (SeaweedFS, Ceph)."""

    access: Callable[[], S3Access]
    _client: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, bucket: str, *, write: bool, seconds: int, identity: str) -> BucketKeys:  # noqa: ARG002 - the port's
        """A user of its own, who may do this alone."""
        name = USER + secrets.token_hex(8)
        with _translated("IAM"):
            iam = self._iam()
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="bucket", PolicyDocument=policy(bucket, write=write))
            made = iam.create_access_key(UserName=name)["AccessKey"]
        return BucketKeys(made["AccessKeyId"], made["SecretAccessKey"], "", name)

    def end(self, handle: str) -> None:
        """Take the user away with every key, one that they made for themselves included."""
        iam = self._iam()
        for step in (self._end_keys, lambda user: iam.delete_user_policy(UserName=user, PolicyName="bucket")):
            with _gone_is_fine(iam), _translated("IAM"):
                step(handle)
        with _gone_is_fine(iam), _translated("IAM"):
            iam.delete_user(UserName=handle)

    def _end_keys(self, user: str) -> None:
        iam = self._iam()
        for entry in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=user, AccessKeyId=entry["AccessKeyId"])

    def _iam(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = client("iam", self.access())
            return self._client


@dataclass(frozen=True, slots=True)
class StsKeys:
    """By the store's security token service: AssumeRoleWithWebIdentity with the person's own token; they end alone."""

    url: str
    role: str
    """ARN."""

    def make(self, bucket: str, *, write: bool, seconds: int, identity: str) -> BucketKeys:
        """Keys of the role, narrowed to the bucket."""
        if not identity:
            raise Conflict(
                "The object store wants to see your identity provider's token.",
                "A personal token of this platform says nothing to it.",
                "Make the keys on the page /account, or send the provider's access token.",
            )
        sts = client("sts", S3Access(self.url, "", "", ""))
        with _translated("STS"):
            answer = sts.assume_role_with_web_identity(
                RoleArn=self.role,
                RoleSessionName=f"terrafair-{secrets.token_hex(6)}",
                WebIdentityToken=identity,
                DurationSeconds=max(seconds, 900),
                Policy=policy(bucket, write=write),
            )["Credentials"]
        return BucketKeys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def end(self, handle: str) -> None:
        """They end by themselves."""


class MemoryKeys:
    """The twin: keys that open nothing."""

    def __init__(self) -> None:
        self.live: dict[str, tuple[str, bool]] = {}

    def make(self, bucket: str, *, write: bool, seconds: int, identity: str) -> BucketKeys:  # noqa: ARG002 - the port's
        """New keys."""
        made = BucketKeys(secrets.token_hex(8), secrets.token_hex(16), "", secrets.token_hex(8))
        self.live[made.handle] = (bucket, write)
        return made

    def end(self, handle: str) -> None:
        """Forget them."""
        self.live.pop(handle, None)


def client(service: str, access: S3Access) -> Any:
    """A client of one of the store's services; without keys its requests are not signed."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    signing: dict[str, Any] = {} if access.key else {"signature_version": UNSIGNED}
    if service == "s3":
        # Left alone, links are signed by the old way that no store has to know.
        signing = {"signature_version": "s3v4", **signing, "s3": {"addressing_style": "path"}}
    return boto3.client(
        service,
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key or None,
        aws_secret_access_key=access.secret or None,
        region_name=access.region,
        config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2}, **signing),
    )


def make_bucket(access: S3Access) -> None:
    """Make the bucket unless it is there."""
    store = client("s3", access)
    with _translated("S3"):
        try:
            store.create_bucket(Bucket=access.bucket)
        except (store.exceptions.BucketAlreadyOwnedByYou, store.exceptions.BucketAlreadyExists):
            return


def ensure_bucket(access: S3Access) -> bool:
    """Make the platform's own bucket unless it is there; gives whether it was made.

    Raises `NotFound` where it is missing and the keys may not make it, `Refused` where they may
    not even ask, `Unreachable` where the store does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    where = f"The object store at {access.endpoint}"
    try:
        client("s3", access).head_bucket(Bucket=access.bucket)
    except ClientError as fault:
        if (status := fault.response["ResponseMetadata"]["HTTPStatusCode"]) != 404:
            what = f"{where} answers {status} for the bucket {access.bucket!r}."
            remedy = "Mend the settings `store_key` and `store_secret`, or give the key the right to list the bucket."
            raise Refused(what, str(fault)[:300], remedy) from None
    except BotoCoreError as fault:
        raise Unreachable(f"{where} does not answer.", str(fault), "Mend the setting `store_url`.") from None
    else:
        return False
    try:
        make_bucket(access)
    except (Refused, Unreachable) as fault:
        raise NotFound(
            f"{where} has no bucket {access.bucket!r}, and it cannot be made with the key of the settings.",
            fault.problem.why or fault.problem.what,
            "Make it there, or name one that exists in the setting `store_bucket`.",
            code="no-bucket",
        ) from None
    return True


def link(access: S3Access, key: str, seconds: int) -> str:
    """An address at which everybody can read one object for so long."""
    store, name = client("s3", access), quote(key.rpartition("/")[2], safe="")
    wanted = {"Bucket": access.bucket, "Key": check_key(key)}
    # Saved, not shown: a page in a bucket must not run beside the platform's own.
    wanted["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{name}"
    return str(store.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds))


@contextmanager
def _gone_is_fine(iam: Any) -> Iterator[None]:
    try:
        yield
    except Refused as fault:
        if not isinstance(fault.__cause__, iam.exceptions.NoSuchEntityException):
            raise


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """The client's errors as ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as fault:
        # An answer, though not the one that was hoped for.
        raise Refused(f"The object store's {what} refuses.", str(fault)[:300]) from fault
    except BotoCoreError as fault:
        raise Unreachable(f"The object store's {what} does not answer.", str(fault)[:300]) from fault
