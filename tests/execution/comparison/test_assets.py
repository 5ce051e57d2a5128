"""Two sets of files: which belongs to which, the verdicts, and the program for the sandbox."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from terrafair.errors import Damaged
from terrafair.execution.comparison.assets import compare, digest, pairs, size
from terrafair.execution.comparison.child import main, order, read_answer, read_order
from terrafair.execution.comparison.findings import Compared, Difference, LocalAsset, Match, Tolerance, count

from .files import ramp, tif, verdict


def asset(folder: Path, name: str, content: bytes = b"x", **facts: str) -> LocalAsset:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return LocalAsset(name, path, **facts)


def names(expected: list[LocalAsset], found: list[LocalAsset]) -> list[tuple[str, str]]:
    return [(old.name if old else "", new.name if new else "") for old, new in pairs(expected, found)]


class TestPairs:
    def test_item_and_key_go_first(self, tmp_path: Path) -> None:
        old = [asset(tmp_path / "a", f"{item}/ndvi.tif", key="data", item=item) for item in ("x", "y")]
        new = [asset(tmp_path / "b", f"{item}.tif", key="data", item=item) for item in ("y", "x")]
        assert names(old, new) == [("x/ndvi.tif", "x.tif"), ("y/ndvi.tif", "y.tif")]

    def test_then_the_key_where_it_is_unique(self, tmp_path: Path) -> None:
        old = [
            asset(tmp_path / "a", "1.tif", key="ndvi", item="x"),
            asset(tmp_path / "a", "2.tif", key="evi", item="x"),
        ]
        new = [
            asset(tmp_path / "b", "3.tif", key="evi", item="z"),
            asset(tmp_path / "b", "4.tif", key="ndvi", item="z"),
        ]
        assert names(old, new) == [("1.tif", "4.tif"), ("2.tif", "3.tif")]

    def test_then_the_file_name_whatever_its_case_and_folder(self, tmp_path: Path) -> None:
        old = [asset(tmp_path / "a", "one/NDVI.tif"), asset(tmp_path / "a", "other.csv", b"a,b\n1,2\n")]
        new = [asset(tmp_path / "b", "two/ndvi.TIF"), asset(tmp_path / "b", "x/other.csv", b"a,b\n1,3\n")]
        assert names(old, new) == [("one/NDVI.tif", "two/ndvi.TIF"), ("other.csv", "x/other.csv")]

    def test_last_the_only_one_of_its_kind(self, tmp_path: Path) -> None:
        old = [LocalAsset("old", tif(tmp_path / "a" / "1.tif", ramp())), asset(tmp_path / "a", "1.txt", b"text")]
        new = [asset(tmp_path / "b", "2.log", b"other"), LocalAsset("new", tif(tmp_path / "b" / "2.tif", ramp()))]
        assert names(old, new) == [("old", "new"), ("1.txt", "2.log")]

    def test_a_name_that_several_have_decides_nothing(self, tmp_path: Path) -> None:
        old = [asset(tmp_path / "a", "x/data.bin", b"\0a"), asset(tmp_path / "a", "y/data.bin", b"\0b")]
        new = [asset(tmp_path / "b", "p/data.bin", b"\0c"), asset(tmp_path / "b", "q/data.bin", b"\0d")]
        assert names(old, new) == [("x/data.bin", ""), ("y/data.bin", ""), ("", "p/data.bin"), ("", "q/data.bin")]

    def test_no_files(self) -> None:
        assert pairs([], []) == []


class TestVerdicts:
    def test_missing_and_additional(self, tmp_path: Path) -> None:
        old = [asset(tmp_path, "a.txt", b"text"), asset(tmp_path, "a.csv", b"a,b\n1,2\n")]
        new = [asset(tmp_path / "new", "b.txt", b"text"), asset(tmp_path / "new", "b.bin", b"\0\1")]
        found = compare(old, new)
        assert [(each.name, each.match) for each in found] == [
            ("b.txt", Match.IDENTICAL),
            ("a.csv", Match.MISSING),
            ("b.bin", Match.ADDITIONAL),
        ]
        assert count(found, Match.MISSING, Match.ADDITIONAL) == 2
        assert found[1].where == "nothing among the new files matches it"

    def test_an_empty_file_differs(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        (tmp_path / "b").write_bytes(b"text")
        found = verdict(tmp_path / "a", tmp_path / "b")
        assert found.match is Match.DIFFERENT
        assert found.where == "size: 0 bytes expected, 4 found"

    def test_two_kinds_are_not_comparable(self, tmp_path: Path) -> None:
        (tmp_path / "b.tif").write_text("a,b\n1,2\n3,4\n")
        found = verdict(tif(tmp_path / "a.tif", ramp()), tmp_path / "b.tif")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason == "a raster was expected, a table found"

    def test_unknown_kinds_are_compared_by_their_bytes(self, tmp_path: Path) -> None:
        for name, content in (("a", b"\0\1"), ("b", b"\0\2"), ("c", b"\0\1")):
            (tmp_path / name).write_bytes(content)
        assert verdict(tmp_path / "a", tmp_path / "c").match is Match.IDENTICAL
        found = verdict(tmp_path / "a", tmp_path / "b")
        assert found.match is Match.NOT_COMPARABLE
        assert "compared by their bytes alone" in found.reason

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a")
        found = verdict(tmp_path / "gone", tmp_path / "a")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason == "the expected file cannot be read: No such file or directory"

    def test_one_odd_file_does_not_stop_the_rest(self, tmp_path: Path) -> None:
        (tmp_path / "odd.tif").write_bytes(b"II*\0junk")
        old = [LocalAsset("1.tif", tmp_path / "odd.tif"), asset(tmp_path / "a", "2.txt", b"text")]
        new = [LocalAsset("1.tif", tif(tmp_path / "b" / "1.tif", ramp())), asset(tmp_path / "b", "2.txt", b"text")]
        assert [each.match for each in compare(old, new)] == [Match.NOT_COMPARABLE, Match.IDENTICAL]

    def test_the_tolerance_is_handed_on(self, tmp_path: Path) -> None:
        old, new = tif(tmp_path / "a.tif", ramp() + 1), tif(tmp_path / "b.tif", (ramp() + 1) * np.float32(1.01))
        assert verdict(old, new).match is Match.DIFFERENT
        assert verdict(old, new, Tolerance(relative=0.1)).match is Match.EQUAL

    def test_archives_are_compared_by_their_members(self, tmp_path: Path) -> None:
        for name, stamp, members in (
            ("a.zip", (2020, 1, 1, 0, 0, 0), {"x": "1", "y": "2"}),
            ("b.zip", (2026, 1, 1, 0, 0, 0), {"y": "2", "x": "1"}),
            ("c.zip", (2026, 1, 1, 0, 0, 0), {"x": "1", "y": "3", "z": ""}),
        ):
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                for member, text in members.items():
                    archive.writestr(zipfile.ZipInfo(member, stamp), text)
        assert verdict(tmp_path / "a.zip", tmp_path / "b.zip").match is Match.EQUAL
        found = verdict(tmp_path / "a.zip", tmp_path / "c.zip")
        assert [(each.where, each.what) for each in found.differences] == [
            ("member y", "its content differs"),
            ("member z", "only in the new file"),
        ]


class TestDigest:
    def test_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc")
        assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
        assert size(tmp_path / "a") == 3

    def test_of_a_folder_it_is_over_names_and_contents(self, tmp_path: Path) -> None:
        for folder in ("a", "b", "c"):
            (tmp_path / folder / "sub").mkdir(parents=True)
            (tmp_path / folder / "sub" / "x").write_text("1")
        (tmp_path / "c" / "sub" / "x").rename(tmp_path / "c" / "sub" / "y")
        assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
        line = f"{hashlib.sha256(b'1').hexdigest()}  sub/x\n"
        assert digest(tmp_path / "a") == hashlib.sha256(line.encode()).hexdigest()

    def test_links_in_a_folder_are_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "link").symlink_to("/etc/hostname")
        assert size(tmp_path / "a") == 0


class TestForms:
    def test_a_verdict_survives_its_json(self, tmp_path: Path) -> None:
        new = ramp()
        new[1, 1] = np.nan
        found = verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", new))
        assert Compared.read(json.loads(json.dumps(found.document()))) == found

    def test_empty_fields_are_left_out(self) -> None:
        document = Compared("a", Match.IDENTICAL).document()
        assert document == {"name": "a", "verdict": "identical bytes"}
        assert Difference("x", "y").document() == {"where": "x", "what": "y"}

    def test_several_differences_are_told_in_one_line(self) -> None:
        found = Compared("a", Match.DIFFERENT, differences=(Difference("x", "y"), Difference("z", "w")))
        assert found.where == "x: y (and 1 more)"


class TestProgram:
    def test_it_reads_its_order_and_writes_its_answer_whole(self, tmp_path: Path) -> None:
        old, new = asset(tmp_path, "a.txt", b"1.0\n"), asset(tmp_path, "b.txt", b"1.1\n")
        (tmp_path / "order.json").write_text(json.dumps(order([old], [new], Tolerance(absolute=0.2))))
        command = [sys.executable, "-m", "terrafair.execution.comparison.child"]
        subprocess.run([*command, str(tmp_path / "order.json"), str(tmp_path / "answer.json")], check=True, timeout=120)
        (found,) = read_answer(tmp_path / "answer.json")
        assert (found.match, found.expected, found.found) == (Match.EQUAL, "a.txt", "b.txt")
        assert not (tmp_path / "answer.json.partial").exists()

    def test_an_order_survives_its_json(self, tmp_path: Path) -> None:
        assets = [asset(tmp_path, "a.txt", key="k", item="i", source="s3://x/a.txt")]
        read = read_order(json.loads(json.dumps(order(assets, [], Tolerance(0.5, 0.25)))))
        assert read == (assets, [], Tolerance(0.5, 0.25))

    def test_the_answer_is_valid_json_whatever_the_values(self, tmp_path: Path) -> None:
        old = tif(tmp_path / "a.tif", np.full((4, 4), np.inf, "float32"))
        new = tif(tmp_path / "b.tif", np.full((4, 4), 1, "float32"))
        document = order([LocalAsset("a", old)], [LocalAsset("b", new)], Tolerance())
        (tmp_path / "order.json").write_text(json.dumps(document))
        assert main(str(tmp_path / "order.json"), str(tmp_path / "answer.json")) == 0
        json.loads((tmp_path / "answer.json").read_text(), parse_constant=pytest.fail)

    @pytest.mark.parametrize("answer", [None, "", "{}", '[{"name": 1}]', '[{"name": "a", "verdict": "fine"}]', "[5]"])
    def test_a_damaged_answer_is_told(self, tmp_path: Path, answer: str | None) -> None:
        if answer is not None:
            (tmp_path / "answer.json").write_text(answer)
        with pytest.raises(Damaged, match="answer cannot be read"):
            read_answer(tmp_path / "answer.json")
