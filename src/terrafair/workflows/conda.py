"""Conda's package specifications as requirements that pip can install; what pip lacks is named, never guessed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

NAMES: Mapping[str, str] = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "geopandas-base": "geopandas",
    "graphviz-python": "graphviz",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "nomkl": "",
    "opencv": "opencv-python-headless",
    "opencv-python": "opencv-python-headless",
    "poppler-python": "",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "python-blosc": "blosc",
    "python-eccodes": "eccodes",
    "python-duckdb": "duckdb",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-kaleido": "kaleido",
    "python-xxhash": "xxhash",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "xgboost-cpu": "xgboost",
    "tiledb-py": "tiledb",
    "zeromq": "",
}
"""Conda name -> name on the Python package index, where the two differ; empty: no Python package."""

NOT_PYTHON = frozenset(
    """
    aom blas blosc boost bzip2 c-ares c-compiler ca-certificates cairo cdo cfitsio cmake compilers curl cxx-compiler
    dav1d dbus duckdb-cli eccodes esmf esmpy expat ffmpeg fftw fontconfig fonts-conda-ecosystem fonts-conda-forge
    fortran-compiler freetype freexl fribidi gcc gdal geos geotiff gettext gfortran gflags gh giflib git glib glog
    gmp graphite2 graphviz gsl gst-plugins-base gstreamer gxx harfbuzz hdf4 hdf5 icu imagemagick jasper jq json-c
    julia kealib keyutils krb5 lame lcms2 ld_impl_linux-64 lerc level-zero llvm-openmp lz4-c lzo make mamba
    micromamba minizip mkl mpfr mpi mpich mysql-common mysql-libs nco ncl ncurses netcdf-fortran ninja nodejs nspr
    nss openblas openh264 openjdk openjpeg openldap openmpi openssl orc pandoc pango parallel pcre pcre2 perl pixman
    pkg-config poppler poppler-data postgresql proj pthread-stubs python_abi qhull qt qt-main qt6-main r-base rav1e
    rdma-core re2 readline s2n sed snappy spdlog spirv-tools sqlite svt-av1 tbb texlive-core tiledb tini tk tzcode
    udunits2 unixodbc uriparser wayland wget x264 x265 xerces-c xkeyboard-config xorg-libx11 xz yaml zfp zlib zlib-
    ng zstd
    """.split()  # noqa: SIM905 - a hundred names read better as words
)
"""Libraries, compilers and programs; the wheels that pip installs carry the libraries that they need."""

_PREFIXES = re.compile(
    r"^(_|lib(?!pysal|rosa|sass|earth|cst)|xorg-|aws-c-|aws-crt|aws-sdk-cpp|azure-.*-cpp|r-|font-|nvidia-|cuda-)"
)
_SPEC = re.compile(r"^\s*(?:(?P<channel>[^\s:\[\]]+)::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<rest>.*)$")
_BRACKETS = re.compile(r"\[(?P<fields>.*)\]\s*$")
_CLAUSE = re.compile(r"^(==|!=|>=|<=|~=|>|<|=)?\s*([A-Za-z0-9_.!+*-]+)$")


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a conda file comes down to."""

    python: str = ""
    requirements: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()


def convert(dependencies: Iterable[Any]) -> Mapped:
    """Map the `dependencies` of a conda environment file, its `pip:` section included."""
    python = ""
    requirements: list[str] = []
    unmapped: list[str] = []
    for entry in dependencies:
        if isinstance(entry, Mapping):
            for line in entry.get("pip") or ():
                (requirements if is_requirement(str(line)) else unmapped).append(str(line).strip())
        elif isinstance(entry, str) and (found := _SPEC.match(entry)):
            name, rest = found["name"].lower(), found["rest"].strip()
            version, build = _version(rest)
            if name == "python":
                python = python_of(version)
            elif (mapped := _python_name(name, build)) is None:
                unmapped.append(name)
            elif mapped:
                requirements.append(f"{mapped}{_specifier(mapped, version)}")
        elif entry is not None:
            unmapped.append(str(entry))
    return Mapped(python, tuple(dict.fromkeys(requirements)), tuple(dict.fromkeys(unmapped)))


def is_requirement(line: str) -> bool:
    """Whether a line names a package by name and version; URLs, paths and options do not."""
    try:
        return not Requirement(line.split(" #", maxsplit=1)[0].strip()).url
    except InvalidRequirement:
        return False


def python_of(version: str) -> str:
    """A conda constraint on Python as one that interpreters are chosen by: exact ones to the minor version."""
    if found := re.match(r"^={0,2}\s*(\d+\.\d+)(\.(\d+|\*))*$", version.strip()):
        return found[1]
    return version.replace(" ", "")


def _version(rest: str) -> tuple[str, str]:
    """(constraint, build string) behind a name: `=1.2=py311h_0`, `>=1.2,<2`, `1.2.*`, `[version='<0.1']`."""
    if found := _BRACKETS.search(rest):
        fields = dict(re.findall(r"(\w+)\s*=\s*[\"']?([^\"']+)[\"']?", found["fields"]))
        return fields.get("version", rest[: found.start()].strip()), fields.get("build", "")
    parts = rest.split()
    if len(parts) == 2 and not re.match(r"[<>=!~]", parts[1]) and not re.search(r"[<>=!~,|]$", parts[0]):
        return parts[0] if re.match(r"[<>=!~]", parts[0]) else f"=={parts[0]}", parts[1]
    tight = "".join(parts)
    if found := re.match(r"^=?([^=<>!~,|]+)=([^=<>!~,|]+)$", tight):
        return f"=={found[1]}", found[2]
    return tight, ""


def _python_name(name: str, build: str) -> str | None:
    """The name on the package index; empty: an empty meta-package; None: no Python package."""
    if name in NAMES:
        return NAMES[name] or None
    if name in NOT_PYTHON or _PREFIXES.match(name):
        return None
    if build and not re.search(r"py|cpu|cuda", build):
        return None
    return name.replace("_", "-")


def _specifier(name: str, version: str) -> str:
    """The constraint in pip's words; what cannot be said in them is left open."""
    if not version or "|" in version:
        return ""
    if name == "tzdata" and (found := re.fullmatch(r"={0,2}(\d{4})([a-z])", version)):
        return f"=={found[1]}.{ord(found[2]) - ord('a') + 1}"
    clauses = []
    for part in version.split(","):
        found = _CLAUSE.match(part.strip())
        if found is None:
            return ""
        sign, number = found[1] or "=", found[2]
        if sign == "=":
            sign, number = "==", number if number.endswith("*") else f"{number}.*"
        elif number.endswith(".*") and sign not in {"==", "!="}:
            number = number.removesuffix(".*")
        clauses.append(f"{sign}{number}")
    text = ",".join(clauses)
    return text if is_requirement(f"{name}{text}") else ""
