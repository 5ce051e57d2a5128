"""Every page of the portal by its route: how a browser reaches it, or why it is no page of its own.

`tests/api/test_routes.py` holds this against the application: a new page fails there until it stands here.
"""

from collections.abc import Mapping

PAGES: Mapping[str, tuple[str, ...]] = {
    "/find": ("/find", "/find?text=ndvi"),
    "/find/{kind}/{id}": (
        "/find/product/demo-ndvi-composite",
        "/find/experiment/demo-ndvi",
        "/find/workflow/demo-ndvi-workflow",
        "/find/theme/land",
        "/find/product/none",
    ),
    "/develop": ("/develop",),
    "/develop/activity": ("/develop/activity",),
    "/develop/graph": ("/develop/graph?origin=template&id=openeo",),
    "/develop/new": ("/develop/new",),
    "/develop/notebook": ("/develop/notebook?origin=template&id=notebook",),
    "/develop/text": ("/develop/text", "/develop/text?origin=template&id=cwl"),
    "/develop/workflows": ("/develop/workflows",),
    "/develop/workflows/{name}": ("/develop/workflows/lakes",),
    "/develop/workspaces": ("/develop/workspaces",),
    "/develop/workspaces/{id}": ("/develop/workspaces/w-0123",),
    "/run": ("/run",),
    "/run/{kind}/{id}": ("/run/experiment/demo-ndvi",),
    "/run/{kind}/{id}/where": ("/run/experiment/demo-ndvi/where",),
    "/results": ("/results",),
    "/results/{id}": ("/results/{job}",),
    "/results/{job}/view": ("/results/{job}/view",),
    "/jobs/compare": ("/jobs/compare",),
    "/publish": ("/publish",),
    "/publish/{job}": ("/publish/{job}",),
    "/publish/{job}/review": ("/publish/{job}/review",),
    "/publish/{job}/follow": ("/publish/{job}/follow",),
    "/publish/edit/{kind}/{id}": ("/publish/edit/product/demo-surface-water",),
    "/projects": ("/projects",),
    "/projects/{id}": ("/projects/lakes",),
    "/projects/join/{secret}": ("/projects/join/{invitation}",),
    "/account": ("/account",),
    "/account/kept": ("/account/kept",),
    "/account/sign-in": ("/account/sign-in",),
    "/admin": ("/admin",),
    "/status": ("/status",),
    "/patterns": ("/patterns",),
}
"""Route -> addresses that `test_every_page_is_small_accessible_and_fits_a_phone` opens."""

ELSEWHERE: Mapping[str, str] = {
    "/": "leads to /find",
    "/jobs": "leads to /results",
    "/jobs/{id}": "leads to /results/{id}",
    "/account/callback": "leads on after signing in",
    "/account/sign-in/{provider}": "leads to the provider",
    "/develop/text/words": "words of the schema, shown in the editor",
    "/publish/edit/{kind}/{id}/review": "test_a_change_of_an_entry_that_was_not_published_here",
    "/publish/terms/{kind}": "choices of a field, shown in the form",
    "/results/{id}/files/{name:path}": "a file itself",
    "/results/{id}/log": "lines of a log, shown in the page of the job",
    "/results/{id}/map": "leads to the view",
    "/results/{job}/notebook": "a notebook in its frame: test_without_scripts_the_content_is_there",
    "/results/{job}/view/{name:path}": "test_no_page_is_wider_than_its_window_and_all_are_accessible",
}
"""Route -> what it gives, or which test looks at it."""
