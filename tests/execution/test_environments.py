"""Environments are built from tiny local wheels: no index is asked, except by the one test that says so."""

import hashlib
import subprocess
import threading
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, Unreachable
from terrafair.execution.environments import Built, Environments
from terrafair.execution.interpreters import Interpreter, choose, find, matches
from terrafair.workflows.workflow import EnvironmentSpec


def wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = (), code: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code or f"VERSION = {version!r}\n\ndef main():\n    print(VERSION)\n",
        f"{info}/METADATA": "\n".join(
            [
                "Metadata-Version: 2.1",
                f"Name: {name}",
                f"Version: {version}",
                *(f"Requires-Dist: {r}" for r in requires),
            ]
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:main\n",
    }
    record = "".join(
        f"{path},sha256={urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()
    )
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(inner, text)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Environments:
    wheel(tmp_path / "wheels", "glacier", "1.0", ("icecore>=2",))
    wheel(tmp_path / "wheels", "icecore", "2.1")
    return offline(tmp_path)


def offline(tmp_path: Path, **more: object) -> Environments:
    options = ("--no-index", "--find-links", str(tmp_path / "wheels"))
    return Environments(tmp_path / "environments", options, **more)  # type: ignore[arg-type]


def spec(*requirements: str, python: str = "", unmapped: tuple[str, ...] = ()) -> EnvironmentSpec:
    return EnvironmentSpec("python", python, requirements, unmapped)


def output(built: Built, code: str) -> str:
    done = subprocess.run([built.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_builds_with_dependencies_and_a_lock_by_hash(store: Environments) -> None:
    built = store.build(spec("glacier"))
    assert output(built, "import glacier, icecore; print(glacier.VERSION, icecore.VERSION)") == "1.0 2.1"
    assert "glacier==1.0 \\\n    --hash=sha256:" in built.lock
    assert "icecore==2.1" in built.lock
    assert "://" not in built.lock
    assert "wheels" not in built.lock
    assert built.prefix.name == built.digest
    assert built.prefix in built.readable


def test_console_scripts_work_after_the_rename(store: Environments) -> None:
    built = store.build(spec("glacier"))
    assert subprocess.check_output([built.prefix / "bin/glacier-tool"], text=True) == "1.0\n"


def test_the_same_content_is_built_once(store: Environments, tmp_path: Path) -> None:
    said: list[str] = []
    first = store.build(spec("glacier", "icecore"))
    mark = first.prefix / "mark"
    mark.touch()
    second = store.build(spec("icecore", "glacier"), say=said.append)
    assert (second.digest, mark.exists()) == (first.digest, True)
    assert said == [f"Environment {first.digest[:12]} is ready."]
    assert not list((tmp_path / "environments").glob("partial-*"))


def test_a_lock_stays_when_newer_versions_appear(store: Environments, tmp_path: Path) -> None:
    first = store.build(spec("icecore"))
    wheel(tmp_path / "wheels", "icecore", "2.2")
    assert store.build(spec("icecore")).digest == first.digest
    assert "icecore==2.2" in store.build(spec("icecore>=2.2")).lock


def test_two_builders_at_once_share_one_environment(store: Environments, tmp_path: Path) -> None:
    results: list[Built] = []
    threads = [threading.Thread(target=lambda: results.append(offline(tmp_path).build(spec("glacier")))) for _ in "123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({built.digest for built in results}) == 1
    assert len(results) == 3


def test_engines_may_add_requirements(store: Environments) -> None:
    assert "glacier==1.0" in store.build(spec("icecore"), extra=("glacier",)).lock


@pytest.mark.parametrize(
    ("requirements", "message"),
    [
        (("no-such-package-here",), "no-such-package-here was not found"),
        (("icecore>=99",), "icecore"),
        (("icecore", "icecore<2"), "icecore"),
    ],
)
def test_what_does_not_resolve_is_quoted_shortly(
    store: Environments, requirements: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.build(spec(*requirements))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 700
    assert "\n" not in str(caught.value)
    assert caught.value.problem.remedy


def test_a_package_without_wheel_is_named(store: Environments, tmp_path: Path) -> None:
    import io
    import tarfile

    with tarfile.open(tmp_path / "wheels/onlysource-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "setup.py": "raise SystemExit('never run')",
            "PKG-INFO": "Name: onlysource\nVersion: 1.0",
        }.items():
            entry = tarfile.TarInfo(f"onlysource-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(InvalidInput, match="onlysource") as caught:
        store.build(spec("onlysource"))
    assert "wheel" in str(caught.value)
    assert "never run" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--index-url https://elsewhere.example",
        "./local",
        "x @ file:///etc/x.whl",
        "git+https://a.example/b",
        "x @ https://a.example/x.whl",
        "numpy=1.2=py_0",
    ],
)
def test_only_names_from_the_index_are_taken(store: Environments, line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.build(spec("icecore", line))
    assert line in str(caught.value)
    assert store.check(spec("icecore", line))


def test_an_index_that_does_not_answer_is_infrastructure(tmp_path: Path) -> None:
    store = Environments(tmp_path / "environments", ("--index-url", "http://127.0.0.1:9/simple"))
    with pytest.raises(Unreachable, match="index does not answer"):
        store.build(spec("icecore"))


def test_conda_packages_without_counterpart_are_remarked(store: Environments) -> None:
    said: list[str] = []
    built = store.build(spec("icecore", unmapped=("gdal-bin", "r-base")), say=said.append)
    assert "gdal-bin, r-base" in built.remarks[0].what
    assert any("r-base" in line for line in said)


def test_the_platform_stands_for_itself(store: Environments) -> None:
    built = store.build(EnvironmentSpec())
    assert "cwltool==" in built.lock
    assert output(built, "import cwltool") == ""


HERE = [
    Interpreter(Path("/a/python3.11"), "3.11.7", Path("/a")),
    Interpreter(Path("/b/python3.9"), "3.9.18", Path("/b")),
]


def test_folders_that_may_not_be_read_have_no_interpreters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Such as those in the surroundings of whoever has started the service."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(Path, "glob", refuse)
    assert len(find()) == 1


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("", "3.11.7"),
        ("3", "3.11.7"),
        ("3.9", "3.9.18"),
        ("=3.9", "3.9.18"),
        ("==3.9.*", "3.9.18"),
        ("3.9.2", "3.9.18"),
        (">=3.8,<3.10", "3.9.18"),
        (">=3.9", "3.11.7"),
        ("python3.11", "3.11.7"),
    ],
)
def test_interpreters_are_chosen_by_what_was_published(wanted: str, version: str) -> None:
    assert choose(wanted, HERE).version == version


def test_a_missing_interpreter_lists_what_exists(tmp_path: Path) -> None:
    store = offline(tmp_path, interpreters=HERE)
    (problem,) = store.check(spec("icecore", python="3.10"))
    assert "Python 3.10 is not on this machine" in problem.what
    assert "3.9, 3.11" in problem.why
    with pytest.raises(InvalidInput, match=r"3\.10"):
        store.build(spec("icecore", python="3.10"))


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(InvalidInput, match="latest"):
        matches("latest", "3.11.7")


def test_a_patch_level_that_differs_is_remarked(store: Environments) -> None:
    minor = find()[0].minor
    assert "stands in for" in store.build(spec("icecore", python=f"{minor}.99")).remarks[0].what


def test_a_real_package_from_the_index(tmp_path: Path) -> None:
    try:
        built = Environments(tmp_path / "environments").build(spec("iniconfig"))
    except Unreachable as fault:
        pytest.skip(f"no package index: {fault}")
    assert output(built, "import iniconfig; print(iniconfig.__name__)") == "iniconfig"
