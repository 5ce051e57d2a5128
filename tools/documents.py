"""Writes docs/ as a searchable site into the package: the platform serves it at /documents/, wheels take it along.

Strict: a link that leads nowhere ends it. Nothing is fetched, neither here nor by the pages.
"""

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/terrafair/portal/documents"
REPOSITORY = "https://github.com/terrafair/terrafair/blob/main/"
NAVIGATION: dict[str, list[str]] = {
    "Guide": [
        "guide/index",
        "guide/find",
        "guide/run",
        "guide/results",
        "guide/develop",
        "guide/publish",
        "guide/people",
        "guide/interfaces",
        "guide/join",
    ],
    "Use": ["portal", "reproduce", "develop", "publishing", "conversion", "provenance", "not-executable", "faq"],
    "Interfaces": [
        "commands",
        "api",
        "processes",
        "stac",
        "openeo-api",
        "openeo",
        "federation",
        "validation",
        "errors",
    ],
    "Operate": ["integration", "operations", "runbooks", "identity", "security", "settings", "sla", "performance"],
    "Inside": ["architecture", "dependencies", "release"],
}
"""Every page of docs/ stands in one of these."""


def sources(folder: Path) -> None:
    """The pages as the site has them: README.md is its first, links to other files lead to the repository."""
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(ROOT / "docs")
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                target.write_text(_outward(path.read_text("utf-8"), path.relative_to(ROOT).parent), "utf-8")
            else:
                shutil.copy(path, target)
    front = (ROOT / "README.md").read_text("utf-8").replace("](docs/", "](")
    (folder / "index.md").write_text(front, "utf-8")
    (folder / "own").mkdir()
    (folder / "own/terrafair.css").write_text(STYLE, "utf-8")
    (folder / "own/terrafair.js").write_text(SCRIPT, "utf-8")
    shutil.copy(ROOT / "src/terrafair/portal/static/terrafair.svg", folder / "own/terrafair.svg")


def _outward(text: str, folder: Path) -> str:
    """Links of a page in `folder` (from the repository's top) that leave docs/; the README is the site's first page."""
    up = "/".join(".." for _ in folder.parts)
    front = "/".join([".."] * (len(folder.parts) - 1) + ["index.md"])
    text = text.replace(f"]({up}/README.md)", f"]({front})")
    return re.sub(rf"\]\({re.escape(up)}/(?!\.\.)([^)]+)\)", rf"]({REPOSITORY}\1)", text)


STYLE = """:root {
  --md-primary-fg-color: #0b6b5b; --md-primary-bg-color: #ffffff; --md-primary-fg-color--dark: #08503f;
  --md-accent-fg-color: #0b6b5b; --md-typeset-a-color: #0b6b5b;
  --md-text-font: system-ui, "Segoe UI", "DejaVu Sans"; --md-code-font: ui-monospace, "DejaVu Sans Mono";
}
.md-grid { max-width: 76rem; }
.md-tabs__link { opacity: 1; }
.md-typeset a { text-decoration: underline; }
.md-typeset img { border: 1px solid var(--md-default-fg-color--lightest); border-radius: 4px; }
[data-md-color-scheme="slate"] {
  --md-primary-fg-color: #08503f; --md-accent-fg-color: #7fd6c4; --md-typeset-a-color: #7fd6c4;
}
"""

SCRIPT = """// What the theme leaves unsaid to screen readers and keys; it puts these elements there after loading.
const tell = () => {
  document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
  document.querySelectorAll("nav.md-code__nav").forEach((nav, number) => {
    if (!nav.hasAttribute("aria-label")) nav.setAttribute("aria-label", `Of code block ${number + 1}`);
  });
  for (const frame of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", "Table");
  }
};
new MutationObserver(tell).observe(document.body, { childList: true, subtree: true });
tell();
"""


def settings(pages: Path, target: Path) -> dict[str, Any]:
    """What MkDocs is told."""
    return {
        "site_name": "terrafair",
        "docs_dir": str(pages),
        "site_dir": str(target),
        "use_directory_urls": True,
        "strict": True,
        "theme": {
            "name": "material",
            "font": False,
            "logo": "own/terrafair.svg",
            "favicon": "own/terrafair.svg",
            "features": ["navigation.tabs", "navigation.top", "search.highlight", "content.code.copy"],
            "palette": [
                {"media": f"(prefers-color-scheme: {name})", "scheme": scheme, "primary": "custom", "accent": "custom"}
                for name, scheme in (("light", "default"), ("dark", "slate"))
            ],
        },
        "plugins": ["search"],
        "extra": {"generator": False},
        "extra_css": ["own/terrafair.css"],
        "extra_javascript": ["own/terrafair.js"],
        "markdown_extensions": ["tables", "fenced_code", "attr_list", "md_in_html", {"toc": {"permalink": True}}],
        "nav": [{"Start": "index.md"}]
        + [{title: [f"{name}.md" for name in names]} for title, names in NAVIGATION.items()],
        "validation": {
            "nav": {"omitted_files": "warn", "not_found": "warn", "absolute_links": "warn"},
            "links": {"not_found": "warn", "anchors": "warn", "absolute_links": "warn", "unrecognized_links": "warn"},
        },
    }


def write(target: Path) -> None:
    """Build the site; raises MkDocs' `Abort` for each link that leads nowhere."""
    import yaml
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        pages, made = Path(folder, "pages"), Path(folder, "site")
        sources(pages)
        file = Path(folder, "mkdocs.yml")
        file.write_text(yaml.safe_dump(settings(pages, made)), "utf-8")
        build(load_config(str(file)))
        for path in [*made.glob("sitemap.xml*"), made / "404.html", *made.rglob("*.map")]:
            path.unlink()
        for path in made.rglob("*.html"):
            _apart(path, made)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target)


def _apart(page: Path, site: Path) -> None:
    """Scripts in a page become files: the platform's policy for pages lets no others run."""

    def moved(found: re.Match[str]) -> str:
        name = f"own/{hashlib.sha256(found[1].encode()).hexdigest()[:16]}.js"
        (site / name).write_text(found[1], "utf-8")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        return f'<script src="{up}{name}"></script>'

    page.write_text(re.sub(r"<script>(.*?)</script>", moved, page.read_text("utf-8"), flags=re.S), "utf-8")


def main() -> int:
    """Write it where the platform looks."""
    try:
        import mkdocs  # noqa: F401 - asked here so that the message is ours
    except ImportError:
        print("mkdocs is not installed: no site. It is in the group `docs` (`make lock`, then `make docs`).")
        return 0
    write(TARGET)
    print(TARGET.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
