"""Formats as the official validator's engine (ajv with full formats, and its own iri) decides them."""

import pytest

from terrafair.catalogue import formats

GOOD = {
    "date-time": [
        "2020-01-01T00:00:00Z",
        "2020-01-01t10:00:00.5+0100",
        "2020-02-29 10:00:00",
        "2020-01-01T23:59:60z",
        "2020-01-01T10:00:00+01",
    ],
    "email": ["a@b.cd", "a.b+c@d-e.f.gh"],
    "iri": ["https://x.org/a b", "s3://bucket/key", "file:///x", "http://ä.org"],
    "iri-reference": ["../catalog.json", "./a b.json", "x", "//host/x", "https://x.org", "\n/x"],
    "uri": ["https://x.org/a", "urn:isbn:1", "mailto:a@b.cd", "http://[::1]:80/x", "a:b"],
    "uri-reference": ["", "#x", "?q=1", "../catalog.json", '/"quoted"', "http://user:pw@x.org:8/p?q#f"],
    "uri-template": ["/a{?b,c:3,d*}", "/a/{+b}/c", ""],
    "url": ["https://x.org/a", "http://8.8.8.8/x", "ftp://x.org", "https://x.org:8080/a", "https://müller.de"],
}
BAD = {
    "date-time": [
        "2020-01-01",
        "2021-02-29T00:00:00Z",
        "2020-13-01T00:00:00Z",
        "x",
        "2020-01-01T24:00:00Z",
        "2020-01-01T1:00:00Z",
    ],
    "email": ["a@b", "a b@c.de", "@c.de", "ä@c.de", ""],
    "iri": ["../x", "urn:isbn:1", "https://", "", "mailto:a@b.cd", "#x"],
    "iri-reference": ["", "#x", "?q=1", "//host", "urn:isbn:1", "mailto:a@b.cd#x"],
    "uri": ["../x", "x", "https://x.org/a b", "https://x.org/ä", 'https://x.org/"', "x:", "https://x.org/%zz"],
    "uri-reference": ["a b", "\\x", "https://x.org/ä", "a[b]", "%2"],
    "uri-template": ["{a", "a b", "{a-b}"],
    "url": [
        "https://x.org?x=1",
        "http://localhost/x",
        "http://10.0.0.1/",
        "http://192.168.1.1/x",
        "x.org",
        "http://999.1.1.1/",
        "",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_taken(name: str, text: str) -> None:
    assert formats.FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_refused(name: str, text: str) -> None:
    assert not formats.FORMATS[name](text)


def test_long_texts_take_no_time() -> None:
    for text in (
        "http://" + "a-" * 50_000,
        "a@" + "b." * 50_000,
        "/" * 100_000,
        "%" * 100_000,
        "http://" + "a." * 2000,
    ):
        for check in formats.FORMATS.values():
            check(text)
