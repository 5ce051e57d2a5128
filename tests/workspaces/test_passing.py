"""What a workspace's answer may not do to the platform's pages, which have the same origin."""

import pytest

from terrafair.api.passing import _ours


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Set-Cookie", "terrafair_session=x; Path=/workspaces/", False),
        ("Set-Cookie", "other=x; Path=/", False),
        ("Set-Cookie", "other=x", False),
        ("set-cookie", "_xsrf=x; Path=/workspaces/user/ada/", True),
        ("Service-Worker-Allowed", "/", False),
        ("Clear-Site-Data", '"*"', False),
        ("Content-Type", "text/html", True),
    ],
)
def test_headers_that_reach_beyond_the_workspace_are_left_out(name: str, value: str, kept: bool) -> None:
    assert _ours(name, value) is not kept
