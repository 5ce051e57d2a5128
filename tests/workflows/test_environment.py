"""Environment files as people publish them."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from terrafair.workflows import conda
from terrafair.workflows.environment import kernel_python, python_version, read_environment


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (3.1, "3.10"),
        ("3.1", "3.10"),
        (3.11, "3.11"),
        (3.9, "3.9"),
        ("3.11.4", "3.11.4"),
        ("python=3.12", "3.12"),
        (">=3.10,<3.13", ">=3.10,<3.13"),
        (3, ""),
        (None, ""),
        (True, ""),
        ("new", ""),
    ],
)
def test_python_versions_that_yaml_has_made_numbers_of(value: object, version: str) -> None:
    assert python_version(value) == version


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=2", "numpy==2.*"),
        ("numpy=2.1.0=py311h_0", "numpy==2.1.0"),
        ("numpy==2.1.0", "numpy==2.1.0"),
        ("numpy>=1.26,<3", "numpy>=1.26,<3"),
        ("numpy >= 1.26, < 3", "numpy>=1.26,<3"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("conda-forge::numpy=2.1", "numpy==2.1.*"),
        ("numpy[version='<2']", "numpy<2"),
        ("numpy 1.26.0 py311_0", "numpy==1.26.0"),
        ("numpy=1.25|1.26", "numpy"),
        ("matplotlib-base", "matplotlib"),
        ("pytorch>=2", "torch>=2"),
        ("pytables", "tables"),
        ("tzdata=2025b", "tzdata==2025.2"),
        ("dask_labextension", "dask-labextension"),
    ],
)
def test_conda_specifications_in_pips_words(line: str, requirement: str) -> None:
    found = conda.convert([line])
    assert (found.requirements, found.unmapped) == ((requirement,), ())
    Requirement(requirement)


@pytest.mark.parametrize(
    "line", ["gdal=3.9", "libgdal", "_libgcc_mutex=0.1=main", "aws-c-s3=0.8.1=h52", "zlib=1.2=h5_0"]
)
def test_what_pip_lacks_is_named(line: str) -> None:
    found = conda.convert([line, {"pip": ["deep-code", "-e .", "git+https://x.example/y"]}])
    assert found.requirements == ("deep-code",)
    assert len(found.unmapped) == 3


def test_python_of_a_conda_file() -> None:
    assert conda.convert(["python=3.11"]).python == "3.11"
    assert conda.convert(["python=3.13.7=h7e8bc2b_100_cp313"]).python == "3.13"
    assert conda.convert(["python >=3.10"]).python == ">=3.10"
    assert conda.convert(["python"]).python == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(encoding: str) -> None:
    content = "name: x\ndependencies:\n  - python=3.11\n  - numpy\n".encode(encoding)
    spec, problems = read_environment(content, "environment.yaml")
    assert not problems
    assert (spec.python, spec.requirements) == ("3.11", ("numpy",))


def test_requirements_files() -> None:
    text = b"numpy==2.0 \\\n  --hash=sha256:00  # why\n-r other.txt\nxarray @ file:///opt/conda/x\n--index-url https://x.example\nscipy\n"
    spec, problems = read_environment(text, "requirements.txt")
    assert not problems
    assert spec.requirements == ("numpy==2.0", "xarray", "scipy")
    assert spec.unmapped == ("-r other.txt",)


def test_other_forms() -> None:
    spec, _ = read_environment(b"container:\n  image: x/y:1\n")
    assert (spec.kind, spec.image) == ("container", "x/y:1")
    spec, _ = read_environment(b"python: 3.1\n")
    assert (spec.kind, spec.python) == ("python", "3.10")
    spec, _ = read_environment(b"openeo: {api_version: 1.2.0}\n")
    assert spec.kind == "platform"
    project = b'[project]\nname = "x"\nrequires-python = ">=3.11"\ndependencies = ["numpy", "x @ git+https://y"]\n'
    spec, _ = read_environment(project, "pyproject.toml")
    assert (spec.python, spec.requirements, spec.unmapped) == (">=3.11", ("numpy",), ("x @ git+https://y",))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "environment-empty"),
        (b"$comment: text\n", "environment-prose"),
        (b"We used the cluster.\n", "environment-prose"),
        (b"<html></html>", "environment-unreadable"),
        (b"name: x\ndependencies: [a\n", "environment-unreadable"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "environment-unreadable"),
        (b"a: &a [1]\n" + b"b: [" + b"*a, " * 500 + b"]\n", "environment-prose"),
    ],
)
def test_files_without_an_environment(content: bytes, code: str) -> None:
    spec, (problem,) = read_environment(content, "environment.yaml")
    assert spec.kind == "unknown"
    assert problem.code == code
    assert problem.remedy


def test_kernels_in_three_spellings() -> None:
    info = {"name": "x", "python_version": 3.13, "env_file": "https://x.example/e.yml"}
    assert kernel_python({"jupyter_kernel_info": info}) == ("3.13", "https://x.example/e.yml")
    assert kernel_python({"kernel_info": {"version": "3.12"}}) == ("3.12", "")
    assert kernel_python({"language_info": {"name": "python", "version": "3.11.4"}}) == ("3.11", "")
    assert kernel_python({"jupyter_kernel_info": "Pangeo"}, {}) == ("", "")


def test_published_files_become_requirements_that_pip_reads(shared: Path) -> None:
    files = [*(shared / "published-workflows").glob("*/environment.y*ml")]
    read = [read_environment(file.read_bytes(), file.name) for file in files]
    assert sum(spec.kind == "python" for spec, _ in read) == 8
    for spec, _ in read:
        for line in spec.requirements:
            Requirement(line)
