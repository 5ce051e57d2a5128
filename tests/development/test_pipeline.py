"""A build, stage by stage, in the real sandbox; what needs no package index."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.development import builder
from terrafair.development.builder import pack, unpack
from terrafair.development.checks.sources import Sources
from terrafair.development.manifest import Manifest, read
from terrafair.development.pipeline import STAGES, Build, pointed
from terrafair.development_parts import pipeline
from terrafair.errors import InvalidInput, InvalidInputs

Repository = Callable[[str], Path]


def build(folder: Path, tmp_path: Path, **options: str) -> tuple[Build, list[str]]:
    lines: list[str] = []
    parts = Parts(Config(home=tmp_path / "home", containers="none"))
    parts.config.home.mkdir()
    made = pipeline(parts, lambda line, _: lines.append(line)).run(folder, tmp_path / "work", **options)  # type: ignore[arg-type]
    return made, lines


def test_a_graph_is_checked_tested_and_run(repository: Repository, tmp_path: Path) -> None:
    made, lines = build(repository("openeo"), tmp_path, version="1.2.3")
    assert made.successful, lines
    assert [(stage.name, stage.state) for stage in made.stages] == [
        (name, "skipped" if name in {"lock", "image"} else "passed") for name in STAGES
    ]
    assert made.version == "1.2.3"
    assert any(line.startswith("test_one_node_gives_the_result") for line in lines)
    dist = tmp_path / "work/dist"
    assert (dist / "water-openeo.json").is_file()
    document = json.loads((dist / "build.json").read_text())
    assert document["successful"]
    assert any(name.endswith(".tif") for name in document["outputs"])


def test_a_failing_test_stops_the_build(repository: Repository, tmp_path: Path) -> None:
    folder = repository("openeo")
    file = folder / "tests/test_graph.py"
    file.write_text(file.read_text().replace('["save"]', '["other"]'))
    made, lines = build(folder, tmp_path)
    assert not made.successful
    assert [stage.state for stage in made.stages] == ["passed", "skipped", "skipped", "failed"]
    assert made.problems[0].code == "tests-failed"
    assert any("AssertionError" in line for line in lines)


def test_a_fault_that_the_check_finds_stops_it_at_once(repository: Repository, tmp_path: Path) -> None:
    folder = repository("cwl")
    (folder / "workflow.cwl").write_text("cwlVersion: [")
    made, _ = build(folder, tmp_path)
    assert [(stage.name, stage.state) for stage in made.stages] == [("check", "failed")]
    assert made.problems[0].where == "workflow.cwl:1"


def test_only_the_own_image_is_pointed_at_the_digest() -> None:
    manifest = Manifest("water", "cwl", "w.cwl", version="2.0.0", package="w.cwl")
    digest = f"reg.example.org/eo/water@sha256:{'a' * 64}"
    text = (
        "s:softwareVersion: 1.0.0\nsteps:\n  dockerPull: water:0.1.0\n  dockerPull: other/water-2:1\n"
        f'  x: {{dockerPull: "localhost/water@sha256:{"b" * 64}"}}\n'
    )
    assert pointed(text, manifest, digest) == (
        f"s:softwareVersion: 2.0.0\nsteps:\n  dockerPull: {digest}\n  dockerPull: other/water-2:1\n"
        f'  x: {{dockerPull: "{digest}"}}\n'
    )
    with pytest.raises(InvalidInputs, match="does not name the image water"):
        pointed("dockerPull: python:3.11", manifest, digest)


def test_sources_travel_as_plain_files(repository: Repository, tmp_path: Path) -> None:
    folder = repository("python")
    (folder / "dist").mkdir()
    (folder / "dist/old").write_text("left out")
    pack(folder, Sources(folder, read(folder)).files, tmp_path / "s.tar.gz")
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "s.tar.gz", tmp_path / "out")
    assert read(tmp_path / "out").name == "water-python"
    assert not (tmp_path / "out/dist").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "link"])
def test_hostile_archives_are_refused(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as archive:
        about = tarfile.TarInfo(name)
        if name == "link":
            about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(about)
        else:
            about.size = 1
            archive.addfile(about, io.BytesIO(b"x"))
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInput):
        unpack(tmp_path / "s.tar.gz", tmp_path / "out")
    assert not (tmp_path / "outside").exists()
    assert not list((tmp_path / "out").iterdir())


def member(name: str, **about: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for attribute, value in about.items():
        setattr(made, attribute, value)
    return made


@pytest.mark.parametrize(
    "about",
    [
        member("a/../../outside", size=1),
        member("./../outside", size=1),
        member("..", type=tarfile.DIRTYPE),
        member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("folder", type=tarfile.SYMTYPE, linkname="../.."),
        member("pipe", type=tarfile.FIFOTYPE),
        member("disk", type=tarfile.BLKTYPE, devmajor=8),
        member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("x", size=1, pax_headers={"path": "../outside"}),
        member("x", size=1, pax_headers={"path": "/tmp/outside"}),
        member("x", size=1, pax_headers={"comment": "x" * 2**21}),
        member("x" * 2**21, size=1),
        member("large", size=3 * 2**40),
    ],
    ids=lambda about: f"{about.name[:20]} {about.type!r} {sorted(about.pax_headers)}",
)
def test_no_member_leads_out_or_fills_the_memory(about: tarfile.TarInfo, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        header = about.tobuf(tarfile.PAX_FORMAT)
        archive.fileobj.write(header + b"x" * 512 + bytes(1024))  # type: ignore[union-attr]
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInput):
        unpack(tmp_path / "s.tar.gz", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "s.tar.gz"]
    assert not list((tmp_path / "out").iterdir())


def test_broken_archives_and_rights(tmp_path: Path) -> None:
    out, packed = tmp_path / "out", tmp_path / "s.tar.gz"
    out.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.addfile(member("run", size=1, mode=0o6777, uid=0), io.BytesIO(b"x"))
    whole = packed.read_bytes()
    unpack(packed, out)
    assert (out / "run").stat().st_mode & 0o7022 == 0
    for broken in (b"", b"no archive", whole[:40], whole[:20] + bytes(20) + whole[40:], b"PK\x03\x04" + bytes(30)):
        packed.write_bytes(broken)
        with pytest.raises(InvalidInput):
            unpack(packed, out)


def test_more_than_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "ARCHIVE_FILES", 5)
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as archive:
        for number in range(6):
            archive.addfile(member(str(number)))
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInput, match="more than 5 files"):
        unpack(tmp_path / "s.tar.gz", tmp_path / "out")
