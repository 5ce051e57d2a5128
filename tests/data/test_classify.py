"""What a file is, by its bytes."""

import gzip
import json
import sqlite3
import struct
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from terrafair.data.classify import Kind, classify, delimiter, encoding_of, media_type, read_json


def kind(tmp_path: Path, content: bytes | str, name: str = "file") -> Kind:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return classify(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Kind.EMPTY),
        (b"II*\0", Kind.TIFF),
        (b"MM\0*", Kind.TIFF),
        (b"II+\0", Kind.TIFF),
        (b"GRIB\0\0\0\x02", Kind.GRIB),
        (b"CDF\x01", Kind.NETCDF),
        (b"CDF\x05", Kind.NETCDF),
        (b"CDF\x04", Kind.BINARY),
        (b"\x89HDF\r\n\x1a\n", Kind.HDF5),
        (b"\0" * 1024 + b"\x89HDF\r\n\x1a\n", Kind.HDF5),
        (b"\0" * 1000 + b"\x89HDF\r\n\x1a\n", Kind.BINARY),
        (b"PAR1", Kind.PARQUET),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG),
        (b"\xff\xd8\xff\xe0", Kind.JPEG),
        (b"RIFF\0\0\0\0WEBP", Kind.WEBP),
        (b"%PDF-1.7", Kind.PDF),
        (b"PK\x03\x04", Kind.ARCHIVE),
        (b"\0\1\2", Kind.BINARY),
        (b"\x01\x02\x80\xff", Kind.BINARY),
    ],
)
def test_binary_kinds_by_their_first_bytes(tmp_path: Path, content: bytes, expected: Kind) -> None:
    assert kind(tmp_path, content, "misleading.csv") is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<VRTDataset rasterXSize='1'/>", Kind.VRT),
        ("\ufeff  <VRTDataset rasterXSize='1'/>", Kind.VRT),
        ("<?xml version='1.0'?><!-- a -->\n<OGRVRTDataSource/>", Kind.VRT),
        ("<?xml version='1.0'?><GDAL_WMS/>", Kind.VRT),
        ("<!DOCTYPE html><p>", Kind.HTML),
        ("<svg xmlns=''/>", Kind.SVG),
        ("<?xml version='1.0'?><a/>", Kind.XML),
        ("<- an arrow", Kind.TEXT),
        ("plain words", Kind.TEXT),
        ("Größe", Kind.TEXT),
    ],
)
def test_text_kinds(tmp_path: Path, content: str, expected: Kind) -> None:
    assert kind(tmp_path, content, "misleading.tif") is expected


POINT = {"type": "Point", "coordinates": [1, 2]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, Kind.JSON),
        ([1], Kind.JSON),
        (POINT, Kind.GEOJSON),
        ({"type": "Feature", "geometry": POINT, "properties": {}}, Kind.GEOJSON),
        ({"type": "FeatureCollection", "features": []}, Kind.GEOJSON),
        ({"type": "GeometryCollection", "geometries": []}, Kind.GEOJSON),
        ({"type": "Point"}, Kind.JSON),
        ({"type": "Feature", "stac_version": "1.1.0"}, Kind.STAC),
        ({"type": "Collection", "stac_version": "1.1.0"}, Kind.STAC),
        ({"type": "FeatureCollection", "features": [{"stac_version": "1.1.0"}]}, Kind.STAC),
        ({"type": "FeatureCollection", "features": [{"stac_version": "1.1.0"}, {}]}, Kind.GEOJSON),
        ({"nbformat": 4, "cells": []}, Kind.NOTEBOOK),
        ({"nbformat": 4}, Kind.JSON),
        ({"value": float("nan")}, Kind.JSON),
    ],
)
def test_json_kinds(tmp_path: Path, document: object, expected: Kind) -> None:
    assert kind(tmp_path, json.dumps(document)) is expected


@pytest.mark.parametrize("content", ["{", '{"a": 1', "[" * 100_000, "{'a': 1}"])
def test_what_is_not_quite_json_is_text(tmp_path: Path, content: str) -> None:
    assert kind(tmp_path, content, "a.json") is Kind.TEXT
    assert read_json(tmp_path / "a.json") is None


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("a,b\n1,2\n", "x.csv", Kind.CSV),
        ("a\n1\n", "x.csv", Kind.CSV),
        ("a;b\n1;2\n3;4\n", "x.txt", Kind.CSV),
        ("a\tb\n1\tx\n3\ty\n", "x", Kind.CSV),
        ("name,value\nx,\ny,2.5\nz,1e-3\n", "x", Kind.CSV),
        ("a,b\n1,2\n", "x.txt", Kind.TEXT),
        ("Dear reader,\nthis is prose, indeed.\nIt has commas, too.\n", "x.txt", Kind.TEXT),
        ("a,b\n1,2\n3\n", "x.txt", Kind.TEXT),
    ],
)
def test_tables(tmp_path: Path, content: str, name: str, expected: Kind) -> None:
    assert kind(tmp_path, content, name) is expected


def test_databases(tmp_path: Path) -> None:
    for name, application in (("a.gpkg", 0x47504B47), ("b.db", 0)):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            database.execute(f"PRAGMA application_id = {application}")
            database.execute("CREATE TABLE t (a)")
    assert classify(tmp_path / "a.gpkg") is Kind.GPKG
    assert classify(tmp_path / "b.db") is Kind.SQLITE


def test_a_shapefile_is_its_main_file(tmp_path: Path) -> None:
    head = struct.pack(">i", 9994) + bytes(24) + struct.pack("<i", 1000) + bytes(68)
    assert kind(tmp_path, head) is Kind.SHAPEFILE
    assert kind(tmp_path, head + struct.pack(">ii", 1, 10)) is Kind.SHAPEFILE
    assert kind(tmp_path, head + struct.pack(">ii", 50, 10)) is Kind.BINARY


@pytest.mark.parametrize("name", [".zgroup", ".zarray", ".zmetadata", "zarr.json"])
def test_a_zarr_store_by_its_metadata(tmp_path: Path, name: str) -> None:
    assert classify(tmp_path) is Kind.BINARY
    (tmp_path / name).write_text("{}")
    assert classify(tmp_path) is Kind.ZARR
    assert media_type(tmp_path, Kind.ZARR) == "application/vnd+zarr"


def test_media_types_say_more_than_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# a")
    assert media_type(tmp_path / "a.md", classify(tmp_path / "a.md")) == "text/markdown"
    (tmp_path / "a.cwl").write_text("cwlVersion: v1.2")
    assert media_type(tmp_path / "a.cwl", Kind.TEXT) == "application/cwl+yaml"
    (tmp_path / "a.grb").write_bytes(b"GRIB\0\0\0\x01")
    assert media_type(tmp_path / "a.grb", Kind.GRIB) == "application/wmo-GRIB1"
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a"))
    assert media_type(tmp_path / "a.gz", Kind.ARCHIVE) == "application/gzip"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "a")
    assert media_type(tmp_path / "a.zip", Kind.ARCHIVE) == "application/zip"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("latin-1", "latin-1")],
)
def test_encodings(tmp_path: Path, encoding: str, expected: str) -> None:
    (tmp_path / "a").write_bytes("Größe,Höhe\n".encode(encoding))
    assert encoding_of(tmp_path / "a") == expected


def test_a_character_cut_by_the_limit_is_no_other_encoding(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 65_535 + "ö".encode() * 10)
    assert encoding_of(tmp_path / "a") == "utf-8-sig"
    assert classify(tmp_path / "a") is Kind.TEXT


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("a,b\n1,2\n3,4\n", ","),
        ("a;b\n1,5;2\n3,5;4\n", ";"),
        ("a|b\n1|2\n3|4\n", "|"),
        ("a b\n1 2\n3 4\n", None),
        ("", None),
    ],
)
def test_what_separates_columns(text: str, mark: str | None) -> None:
    assert delimiter(text) == mark
