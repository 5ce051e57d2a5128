"""`terrafair validate` and `schemas` as a person, a hook and a workflow call them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from terrafair.catalogue.rules.rulebook import RULES
from terrafair.cli import main
from terrafair.demo.catalogue import catalogue_files
from terrafair.errors import InvalidInput

ROOT = Path(__file__).parents[2]
PRODUCT = "products/demo-ndvi-composite/collection.json"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "catalogue"
    for path, content in catalogue_files("0" * 40).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    monkeypatch.setenv("TERRAFAIR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TERRAFAIR_SCHEMAS", raising=False)
    return root


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def breaking(root: Path) -> int:
    """Give the product a wrong link title; the link's number."""
    document = json.loads((root / PRODUCT).read_text("utf-8"))
    number: int = next(place for place, link in enumerate(document["links"]) if link["rel"] == "root")
    document["links"][number]["title"] = "Root, 100 %"
    (root / PRODUCT).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return number


def test_a_valid_catalogue_exits_with_0(catalogue: Path) -> None:
    result = call(catalogue)
    assert result.exit_code == 0
    assert "25 files, 0 errors, 1 warning." in result.stdout
    assert "schemas-missing" in result.stdout


def test_with_a_store_nothing_is_left_unchecked(catalogue: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "0 warnings" in call(catalogue, "--schemas", shared / "schemas", "--strict").stdout
    monkeypatch.setenv("TERRAFAIR_SCHEMAS", str(shared / "schemas"))
    assert "0 warnings" in call(catalogue).stdout


def test_json_has_exactly_the_promised_shape(catalogue: Path) -> None:
    number = breaking(catalogue)
    result = call(catalogue, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert list(report) == ["files", "errors", "warnings", "problems"]
    assert (report["files"], report["errors"], report["warnings"]) == (25, 1, 1)
    (problem,) = (entry for entry in report["problems"] if entry["severity"] == "error")
    assert list(problem) == ["file", "pointer", "rule", "layer", "severity", "message", "fix"]
    assert problem["file"] == PRODUCT
    assert problem["pointer"] == f"/links/{number}/title"
    assert problem["rule"] == "link-title"
    assert problem["layer"] == "official"


@pytest.mark.parametrize("where", [PRODUCT, "products/demo-ndvi-composite", "products"])
def test_a_file_or_folder_is_looked_at_with_what_it_touches(catalogue: Path, where: str) -> None:
    breaking(catalogue)
    result = call(catalogue / where, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["files"] <= 25
    assert {entry["file"] for entry in report["problems"] if entry["severity"] == "error"} == {PRODUCT}


def test_fix_mends_and_then_validates(catalogue: Path) -> None:
    before = (catalogue / PRODUCT).read_bytes()
    breaking(catalogue)
    result = call(catalogue / PRODUCT, "--fix")
    assert result.exit_code == 0
    assert f"Mended {PRODUCT}" in result.stderr
    assert (catalogue / PRODUCT).read_bytes() == before
    assert [path for path in catalogue.rglob("*") if path.name.startswith(".")] == []


def test_sarif_names_rules_lines_and_files(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = breaking(catalogue)
    monkeypatch.chdir(catalogue.parent)
    log = json.loads(call("catalogue", "--sarif").stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (result,) = (entry for entry in run["results"] if entry["level"] == "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "link-title"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == f"catalogue/{PRODUCT}"
    line = (catalogue / PRODUCT).read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
    assert '"title"' in line and "Root, 100 %" in line
    assert f"/links/{number}/title" in json.dumps(result["locations"])


@pytest.mark.parametrize("output", [(), ("--json",), ("--sarif",), ("--github",)])
def test_names_that_are_no_text_are_shown_with_their_bytes(catalogue: Path, output: tuple[str, ...]) -> None:
    Path(os.fsdecode(os.fsencode(catalogue) + b"/products/\xe9\xff.json")).write_text("[]")
    done = subprocess.run(
        [sys.executable, "-m", "terrafair", "validate", str(catalogue), *output], capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
    told = done.stdout.decode("utf-8")
    if output == ("--sarif",):
        places = [result["locations"] for result in json.loads(told)["runs"][0]["results"] if "locations" in result]
        assert "products/%E9%FF.json" in json.dumps(places)
    elif output == ("--json",):
        assert "products/\\xe9\\xff.json" in {problem["file"] for problem in json.loads(told)["problems"]}
    else:
        assert "products/\\xe9\\xff.json" in told


def test_github_annotations_are_escaped(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(catalogue)
    monkeypatch.chdir(catalogue)
    lines = call(".", "--github").stdout.splitlines()
    (error,) = (line for line in lines if line.startswith("::error "))
    assert error.startswith(f"::error file={PRODUCT},line=")
    assert "Root, 100 %25" in error
    assert lines[-1] == "25 files, 1 error, 1 warning."


def test_what_cannot_be_validated_is_refused(catalogue: Path, tmp_path: Path, shared: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    subprocess.run(["cp", "-r", str(catalogue), str(other)], check=True)
    for arguments, word in (
        ([tmp_path / "nope"], "does not exist"),
        ([tmp_path / "empty"], "no Open Science Catalog"),
        ([catalogue, other], "in 2 catalogues"),
        ([catalogue, "--rules", "rc.0"], "no rule set"),
        ([catalogue, "--schemas", tmp_path / "nope"], "no schema store"),
        ([catalogue, "--schemas", tmp_path / "empty"], "no schemas of the rule set"),
        ([catalogue, "--schemas", shared / "schemas", "--rules", "rc.14"], "schemas sync"),
    ):
        result = call(*arguments)
        assert isinstance(result.exception, InvalidInput), arguments
        assert word in str(result.exception)
    assert call(catalogue, "--json", "--sarif").exit_code == 2
    assert call().exit_code == 2


def test_errors_exit_with_2_and_speak_json_when_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "terrafair", "validate", str(tmp_path / "nope"), "--json"]
    environment = {**os.environ, "TERRAFAIR_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "does not exist" in json.loads(done.stdout)["problems"][0]["what"]


def test_schemas_sync_reports_what_it_could_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAFAIR_HOME", str(tmp_path))
    monkeypatch.setenv("TERRAFAIR_ALLOW_PRIVATE_ADDRESSES", "true")
    result = CliRunner().invoke(
        main, ["schemas", "sync", str(tmp_path / "s"), "--mirror", "http://127.0.0.1:9", "--json"]
    )
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert list(report) == ["written", "kept", "failed"]
    assert report["failed"]


# What is shipped for others to call.


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_hooks_call_verbs_and_options_that_exist(catalogue: Path) -> None:
    for hook in load(".pre-commit-hooks.yaml"):
        words = hook["entry"].split()
        assert words[:2] == ["terrafair", "validate"]
        breaking(catalogue)
        result = CliRunner().invoke(
            main, [*words[1:], str(catalogue / PRODUCT), str(catalogue / "products/catalog.json")]
        )
        assert result.exit_code == ("--fix" not in words)
        assert hook["language"] == "python" and "json" in hook["types_or"]


def test_the_action_runs_what_it_says(catalogue: Path, shared: Path, tmp_path: Path) -> None:
    """Its last step, in a real shell, with terrafair in place of the installed one."""
    action = load("action.yml")
    assert action["runs"]["using"] == "composite"
    step = action["runs"]["steps"][-1]
    assert set(action["inputs"]) == {"path", "strict", "rules", "sarif"}
    program = tmp_path / "bin/terrafair"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m terrafair "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "TERRAFAIR_HOME": str(tmp_path),
        "TERRAFAIR_SCHEMAS": str(shared / "schemas"),
        "CATALOGUE": str(catalogue),
        "STRICT": "true",
        "RULES": "rc.15",
        "SARIF": str(tmp_path / "log.sarif"),
    }
    assert set(step["env"]) <= set(environment)
    for expected in (0, 1):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            *(), capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == expected, done.stdout + done.stderr
        assert len(json.loads((tmp_path / "log.sarif").read_text())["runs"][0]["results"]) == expected
        assert ("::error" in done.stdout) is bool(expected)
        breaking(catalogue)


def test_every_rule_is_explained_and_used() -> None:
    page = (ROOT / "docs/validation.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (ROOT / "src/terrafair/catalogue/rules").rglob("*.py")]
    made = {f"{rel}-link" for rel in ("parent", "root", "via", "input", "environment")} | {
        "input-file",
        "environment-file",
    }
    for rule in RULES.values():
        assert f"### {rule.id}\n" in page
        assert all(text in page for text in (rule.what, rule.why, rule.how)), rule.id
        assert all(text.endswith(".") for text in (rule.what, rule.why, rule.how)), rule.id
        uses = sum(source.count(f'"{rule.id}"') for source in sources)
        assert uses > 1 or rule.id in made, rule.id
