"""Projects' buckets over the real store: clients of other people's with keys that were made, and without."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from obstore.store import S3Store

from terrafair.data.bucket_keys import IamKeys, MemoryKeys, ensure_bucket
from terrafair.data.objects import S3Access, S3Objects
from terrafair.data.project_buckets import Minted, ProjectBuckets, bucket_of, environment
from terrafair.data.seaweedfs import GRPC, ObjectServer, program
from terrafair.database import migrate, open_engine
from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.identity.access import Actor, Role, Scope

from ..databases import control_database

HOUR = timedelta(hours=1)
ADA, BEN = Actor("ada", {"glaciers": Role.OWNER}), Actor("ben", {"forests": Role.MEMBER})
CY = Actor("cy", {"glaciers": Role.VIEWER})


@dataclass
class Place:
    server: ObjectServer
    buckets: ProjectBuckets
    people: dict[str, Actor]
    later: timedelta = timedelta(0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("store")
    engine = open_engine(control_database(home))
    migrate(engine)
    server = ObjectServer(home, "terrafair")
    server.start()
    people = {"ada": ADA, "ben": BEN, "cy": CY}
    maker = IamKeys(lambda: server.access)
    found = Place(
        server,
        ProjectBuckets(
            engine, lambda: server.access, maker, people.__getitem__, now=lambda: datetime.now(UTC) + found.later
        ),
        people,
    )
    root = found.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    client(root).put_object(Bucket=root.bucket, Key="maps/area.txt", Body=b"ice")
    other = found.buckets.mint(BEN, "forests", write=True, lifetime=HOUR)
    client(other).put_object(Bucket=other.bucket, Key="secret.txt", Body=b"canary")
    yield found
    server.stop()
    engine.dispose()


def client(minted: Minted, service: str = "s3") -> Any:
    return boto3.client(
        service,
        endpoint_url=minted.endpoint,
        aws_access_key_id=minted.keys.key,
        aws_secret_access_key=minted.keys.secret,
        region_name=minted.region,
    )


def refused(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as fault:
        call(**options)
    status = fault.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 403, fault.value
    return str(fault.value.response["Error"]["Code"])


def anonymous(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as fault:
        return int(fault.code)


def test_boto3_works_in_ones_bucket(place: Place, tmp_path: Path) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    s3 = client(minted)
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(9 * 2**20))
    s3.upload_file(str(large), minted.bucket, "large.bin")
    s3.download_file(minted.bucket, "large.bin", str(tmp_path / "again.bin"))
    assert (tmp_path / "again.bin").read_bytes() == large.read_bytes()
    s3.delete_object(Bucket=minted.bucket, Key="large.bin")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=minted.bucket)["Contents"]] == ["maps/area.txt"]
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == [minted.bucket]


@pytest.mark.parametrize("bucket", [bucket_of("forests"), "terrafair"])
def test_nothing_of_others_is_reached(place: Place, bucket: str) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    s3, here = client(minted), {"Bucket": bucket}
    for call, more in (
        (s3.get_object, {"Key": "secret.txt"}), (s3.head_object, {"Key": "secret.txt"}),
        (s3.put_object, {"Key": "x", "Body": b""}), (s3.delete_object, {"Key": "secret.txt"}),
        (s3.list_objects_v2, {}), (s3.list_objects, {}), (s3.head_bucket, {}), (s3.list_multipart_uploads, {}),
        (s3.create_multipart_upload, {"Key": "x"}), (s3.delete_bucket, {}), (s3.get_bucket_acl, {}),
        (s3.put_bucket_policy, {"Policy": "{}"}), (s3.list_object_versions, {}),
        (s3.put_object_tagging, {"Key": "secret.txt", "Tagging": {"TagSet": []}}),
    ):  # fmt: skip
        refused(call, **here, **more)
    refused(s3.copy_object, Bucket=minted.bucket, Key="stolen", CopySource=f"{bucket}/secret.txt")
    part = s3.create_multipart_upload(Bucket=minted.bucket, Key="stolen")["UploadId"]
    refused(
        s3.upload_part_copy, Bucket=minted.bucket, Key="stolen", UploadId=part, PartNumber=1,
        CopySource=f"{bucket}/secret.txt",
    )  # fmt: skip
    answer = s3.delete_objects(**here, Delete={"Objects": [{"Key": "secret.txt"}]})
    assert answer.get("Errors")
    for key in (f"../{bucket}/secret.txt", f"..%2f{bucket}/secret.txt"):
        with pytest.raises(ClientError):
            s3.get_object(Bucket=minted.bucket, Key=key)
    owner = client(place.buckets.mint(BEN, "forests", write=False, lifetime=HOUR))
    assert owner.get_object(Bucket=bucket_of("forests"), Key="secret.txt")["Body"].read() == b"canary"


def test_a_bucket_is_not_opened_to_the_world(place: Place) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    s3 = client(minted)
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{minted.bucket}/*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [public]})
    refused(s3.put_bucket_policy, Bucket=minted.bucket, Policy=text)
    refused(s3.put_bucket_acl, Bucket=minted.bucket, ACL="public-read")
    refused(s3.put_object_acl, Bucket=minted.bucket, Key="maps/area.txt", ACL="public-read")
    refused(s3.create_bucket, Bucket="mine-alone")
    assert anonymous(f"{minted.endpoint}/{minted.bucket}/maps/area.txt") == 403
    assert anonymous(f"{minted.endpoint}/{minted.bucket}") == 403
    assert anonymous(f"{minted.endpoint}/") == 403


def test_keys_make_no_keys_that_outlive_them(place: Place) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    iam = client(minted, "iam")
    for call in (iam.list_users, lambda: iam.create_user(UserName="evil")):
        with pytest.raises(ClientError):
            call()
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    with pytest.raises(ClientError):
        iam.put_user_policy(UserName=minted.keys.handle, PolicyName="more", PolicyDocument=policy)
    for user in ("anonymous", "admin", place.buckets.mint(BEN, "forests", write=True, lifetime=HOUR).keys.handle):
        with pytest.raises(ClientError):
            iam.create_access_key(UserName=user)
    again: Any = None
    try:
        made = iam.create_access_key(UserName=minted.keys.handle)["AccessKey"]
        again = boto3.client(
            "s3", endpoint_url=minted.endpoint, aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"], region_name="us-east-1",
        )  # fmt: skip
        assert again.list_objects_v2(Bucket=minted.bucket)["KeyCount"] >= 1
        refused(again.list_objects_v2, Bucket=bucket_of("forests"))
    except ClientError:
        again = None
    place.buckets.end("ada", minted.held.id)
    refused(client(minted).list_objects_v2, Bucket=minted.bucket)
    if again is not None:
        refused(again.list_objects_v2, Bucket=minted.bucket)


def test_keys_that_read_do_not_write(place: Place) -> None:
    minted = place.buckets.mint(CY, "glaciers", write=False, lifetime=HOUR)
    s3 = client(minted)
    assert s3.get_object(Bucket=minted.bucket, Key="maps/area.txt")["Body"].read() == b"ice"
    refused(s3.put_object, Bucket=minted.bucket, Key="x", Body=b"")
    refused(s3.delete_object, Bucket=minted.bucket, Key="maps/area.txt")
    refused(s3.create_multipart_upload, Bucket=minted.bucket, Key="x")


def test_who_gets_keys(place: Place) -> None:
    with pytest.raises(Refused, match="viewer"):
        place.buckets.mint(CY, "glaciers", write=True, lifetime=HOUR)
    with pytest.raises(NotFound):
        place.buckets.mint(BEN, "glaciers", write=False, lifetime=HOUR)
    with pytest.raises(NotFound):
        place.buckets.mint(Actor(), "glaciers", write=False, lifetime=HOUR)
    reader = Actor("ada", {"glaciers": Role.OWNER}, scopes=frozenset({Scope.READ}))
    with pytest.raises(Refused, match="scope"):
        place.buckets.mint(reader, "glaciers", write=True, lifetime=HOUR)
    for lifetime in (timedelta(0), timedelta(hours=13)):
        with pytest.raises(InvalidInput):
            place.buckets.mint(ADA, "glaciers", write=True, lifetime=lifetime)
    with pytest.raises(NotFound):
        place.buckets.end("ben", place.buckets.mint(ADA, "glaciers", write=False, lifetime=HOUR).held.id)


def test_all_of_a_persons_keys_end_but_those_that_are_needed_yet(place: Place) -> None:
    kept, gone = (place.buckets.mint(ADA, "glaciers", write=False, lifetime=HOUR) for _ in range(2))
    other = place.buckets.mint(CY, "glaciers", write=False, lifetime=HOUR)
    place.buckets.end_all("ada", but=[kept.held.id, ""])
    assert [each.id for each in place.buckets.listing("ada")] == [kept.held.id]
    assert client(kept).list_objects_v2(Bucket=kept.bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert refused(client(gone).list_objects_v2, Bucket=gone.bucket) == "InvalidAccessKeyId"
    assert place.buckets.end_all("ada") == 1
    assert other.held.id in [each.id for each in place.buckets.listing("cy")]


def test_keys_end_by_time_and_with_the_role(place: Place) -> None:
    short = place.buckets.mint(ADA, "glaciers", write=True, lifetime=timedelta(seconds=30))
    long = place.buckets.mint(CY, "glaciers", write=False, lifetime=HOUR)
    assert client(short).list_objects_v2(Bucket=short.bucket)["KeyCount"] == 1
    place.later = timedelta(seconds=31)
    assert place.buckets.sweep() == 1
    place.later = timedelta(0)
    assert refused(client(short).list_objects_v2, Bucket=short.bucket) == "InvalidAccessKeyId"
    assert client(long).list_objects_v2(Bucket=long.bucket)["KeyCount"] == 1
    place.people["cy"] = Actor("cy")
    assert place.buckets.sweep() >= 1
    refused(client(long).list_objects_v2, Bucket=long.bucket)
    place.people["cy"] = CY


def test_a_link_reads_one_object_until_it_ends(place: Place) -> None:
    url = place.buckets.share(ADA, "glaciers", "maps/area.txt", HOUR)
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert reply.read() == b"ice"
        assert reply.headers["Content-Disposition"].startswith("attachment")
    assert anonymous(url.replace("area.txt", "other.txt")) == 403
    assert anonymous(url.replace(bucket_of("glaciers"), bucket_of("forests"))) == 403
    request = urllib.request.Request(url, data=b"melted", method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
    past = place.buckets.share(ADA, "glaciers", "maps/area.txt", timedelta(seconds=1))
    assert anonymous(past.replace("X-Amz-Expires=1&", "X-Amz-Expires=999&")) == 403
    with pytest.raises(Refused):
        place.buckets.share(CY, "glaciers", "maps/area.txt", HOUR)
    with pytest.raises(NotFound):
        place.buckets.share(BEN, "glaciers", "maps/area.txt", HOUR)


def test_obstore_and_gdal_work_with_the_variables(place: Place, tmp_path: Path) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    store = S3Store(
        minted.bucket, endpoint=minted.endpoint, access_key_id=minted.keys.key, secret_access_key=minted.keys.secret,
        region=minted.region, client_options={"allow_http": True}, virtual_hosted_style_request=False,
    )  # fmt: skip
    script = """
import sys, numpy as np, rasterio
bucket, other = sys.argv[1:]
with rasterio.open(f"/vsis3/{bucket}/made.tif", "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8") as out:
    out.write(np.full((1, 8, 8), 7, "uint8"))
with rasterio.open(f"/vsis3/{bucket}/made.tif") as made:
    assert made.read().min() == 7
try:
    rasterio.open(f"/vsis3/{other}/secret.txt")
except rasterio.errors.RasterioIOError as fault:
    print("refused", fault)
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TERRAFAIR_"))}
    variables = {**kept, **environment(minted), "CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": "YES"}
    done = subprocess.run(
        [sys.executable, "-c", script, minted.bucket, bucket_of("forests")], env=variables, capture_output=True,
        text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout
    import obstore

    assert len(obstore.get(store, "made.tif").bytes()) > 64
    obstore.delete(store, "made.tif")


def test_a_bucket_that_nobody_has_asked_for_is_not_there(place: Place) -> None:
    """Not an outage: what is kept in the buckets of all projects is summed up over those without one, too."""
    absent = S3Objects(replace(place.server.access, bucket=bucket_of("untouched")))
    for read in (lambda: list(absent.list("")), lambda: absent.get("x"), lambda: absent.head("x")):
        with pytest.raises(NotFound):
            read()


def test_no_other_way_leads_in(place: Place) -> None:
    """Neither the filer's gRPC nor the volumes' HTTP answers to whom the store does not know."""
    state = json.loads((place.server._folder / "server.json").read_text())["ports"]
    for name in ("filer", "volume", "admin"):
        for path in ("/", "/buckets/p-forests/secret.txt", "/buckets/", "/1,0000000000", "/ui/index.html"):
            assert anonymous(f"http://127.0.0.1:{state[name]}{path}") in {400, 401, 403, 404, 405}, (name, path)
    for path in ("/dir/assign", "/dir/status", "/vol/status", "/col/delete?collection=p-forests", "/submit"):
        assert anonymous(f"http://127.0.0.1:{state['master']}{path}") in {401, 403, 404, 405}, path
    with tempfile.TemporaryDirectory() as elsewhere:
        shell = [program(), "shell", *(f"-{n}=127.0.0.1:{state[n]}.{state[n] + GRPC}" for n in ("master", "filer"))]
        process = subprocess.Popen(
            shell, cwd=elsewhere, env={"PATH": os.environ["PATH"], "HOME": elsewhere}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            said = process.communicate("fs.ls /buckets\n", timeout=5)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0]
    assert "p-forests" not in said
    for name in ("trust.key", "tickets.json", "credentials.json"):
        assert (place.server._folder / name).stat().st_mode & 0o077 == 0


def test_names_of_buckets() -> None:
    longest = "a" * 63
    names = [bucket_of(project) for project in ("x", "a" * 61, longest, "a" * 62)]
    assert all(3 <= len(name) <= 63 for name in names)
    assert len(set(names)) == 4
    # Nobody gets another project's bucket by choosing the id that its name would come from.
    assert bucket_of(bucket_of(longest).removeprefix("h-")) != bucket_of(longest)


def test_the_twin_behaves_alike() -> None:
    keys = MemoryKeys()
    made = keys.make("p-x", write=True, seconds=60, identity="")
    assert keys.live == {made.handle: ("p-x", True)}
    keys.end(made.handle)
    keys.end(made.handle)
    assert keys.live == {}


def test_the_platforms_own_bucket_is_made_where_that_is_allowed(place: Place) -> None:
    wanted = replace(place.server.access, bucket="platforms-own")
    assert ensure_bucket(wanted) and not ensure_bucket(wanted)
    S3Objects(wanted).put("a", b"1")
    assert S3Objects(wanted).get("a") == b"1"


def test_keys_that_may_not_ask_for_the_platforms_bucket(place: Place) -> None:
    minted = place.buckets.mint(ADA, "glaciers", write=True, lifetime=HOUR)
    wanted = S3Access(minted.endpoint, minted.keys.key, minted.keys.secret, "not-there")
    with pytest.raises(Refused, match=r"answers 403 for the bucket 'not-there'.*`store_key`"):
        ensure_bucket(wanted)
    with pytest.raises(Unreachable, match="does not answer"):
        ensure_bucket(replace(wanted, endpoint="http://127.0.0.1:1"))
