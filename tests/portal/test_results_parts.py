"""Parts of the view of results: cleaning of HTML, listing of files, provenance in words."""

import re

import pytest

from terrafair.portal.results_files import listed, snippets
from terrafair.portal.results_notebook import clean, parts, prose
from terrafair.portal.results_provenance import summary


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='  java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<form action=//evil.example><input name=a></form>",
        "<style>@import '//evil.example'</style>",
        "<p style='background:url(//evil.example)'>x</p>",
        "<base href=//evil.example>",
        "<meta http-equiv=refresh content='0;url=//evil.example'>",
        "<details open ontoggle=alert(1)>x</details>",
        "<h1 onclick=alert(1)>x</h1>",
        "<template><script>alert(1)</script></template>",
    ],
)
def test_nothing_executes_or_loads(evil: str) -> None:
    for given in (clean(evil), prose(evil)):
        assert not re.search(r"(?i)<[^>]*(script|\son\w+=|style|src=|iframe|<svg|<form|<input|<base|<meta)", given), (
            given
        )
        assert not re.search(r"(?i)href=\"?\s*(javascript|data|java)", given), given


def test_what_is_plain_stays() -> None:
    assert clean("<h1>A</h1><table><tr><td colspan='2'>1</td></tr></table>").startswith("<h3>A</h3><table>")
    assert 'href="https://example.org"' in prose("[x](https://example.org)")
    assert "<del>no</del>" in prose("~~no~~") or "<s>no</s>" in prose("~~no~~")


def test_false_pictures_are_left_out() -> None:
    found = parts([{"kind": "picture", "type": "image/svg+xml", "content": "AAAA"}, {"kind": "odd", "content": "x"}])
    assert [part.kind for part in found] == ["left", "left"]


def test_a_store_is_one_file() -> None:
    inside = [
        {"name": f"outputs/a.zarr/t/{n}", "size": 10, "s3": f"s3://b/jobs/1/outputs/a.zarr/t/{n}"} for n in (0, 1)
    ]
    plain = {"name": "outputs/b c.tif", "size": 5, "type": "image/tiff", "sha256": "f" * 64, "s3": "s3://b/x"}
    files = listed("1", [*inside, {"name": "prov.json", "size": 1}, plain])
    assert [(file.name, file.size, file.parts, file.view) for file in files] == [
        ("outputs/a.zarr", 20, 2, "cube"),
        ("outputs/b c.tif", 5, 0, "raster"),
        ("prov.json", 1, 0, "text"),
    ]
    assert files[0].s3 == "s3://b/jobs/1/outputs/a.zarr" and files[1].href == "/api/jobs/1/files/outputs/b%20c.tif"
    named = dict(snippets(files[0], "http://here"))
    assert "open_zarr" in named["Python"] and named["S3"].startswith("aws s3 sync") and "Shell" not in named
    for where, code in snippets(files[1], "http://here"):
        if where == "Python":
            compile(code, where, "exec")


@pytest.mark.parametrize("odd", [None, [], {}, {"@graph": 3}, {"@graph": [1, {}]}, {"@graph": [{"@id": "./"}]}])
def test_what_is_no_crate_of_a_run(odd: object) -> None:
    assert summary(odd) is None


def test_a_cloud_optimised_geotiff_is_a_layer() -> None:
    kind = "image/tiff; application=geotiff; profile=cloud-optimized"
    (row,) = listed("j", [{"name": "outputs/a.tif", "size": 1, "type": kind}])
    assert row.view == "raster" and row.on_map and row.word == "raster"
