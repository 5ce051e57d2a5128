"""Writes the parts of docs/ that come from the code, settings and commands; tests/test_docs.py checks them."""

import ast
import sys
from pathlib import Path

import click

from terrafair import config
from terrafair.catalogue.rules import Layer
from terrafair.catalogue.rules.rulebook import RULES
from terrafair.cli import main as command

ROOT = Path(__file__).resolve().parents[1]


def settings() -> str:
    """docs/settings.md from the docstrings of `Config`'s fields."""
    tree = ast.parse(Path(config.__file__).read_text("utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config")
    lines = [
        "# Settings",
        "",
        "Made from `src/terrafair/config.py` by `make docs`. Each is a key of `HOME/terrafair.toml` (or of the file",
        "that `TERRAFAIR_CONFIG` names), and an environment variable that goes before it.",
        "",
        "| key | variable | default | what it says |",
        "| --- | --- | --- | --- |",
    ]
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(following, ast.Expr):
            name = ast.unparse(node.target)
            default = ast.unparse(node.value) if node.value else "the user's data folder"
            default = "{}" if "dict" in default else default
            text = ast.literal_eval(following.value)
            lines.append(f"| `{name}` | `TERRAFAIR_{name.upper()}` | `{default}` | {text} |")
    return "\n".join([*lines, ""])


def commands() -> str:
    """docs/commands.md from the help of every verb."""
    lines = ["# Commands", "", "Made from the commands' own help by `make docs`.", ""]

    def add(node: click.Command, path: list[str]) -> None:
        if node.hidden:
            return
        context = click.Context(node, info_name=" ".join(path), max_content_width=100)
        lines.extend([f"## {' '.join(path)}", "", "```text", node.get_help(context), "```", ""])
        if isinstance(node, click.Group):
            for name in node.list_commands(context):
                child = node.get_command(context, name)
                if child is not None:
                    add(child, [*path, name])

    add(command, ["terrafair"])
    return "\n".join(lines)


def validation() -> str:
    """docs/validation.md with every rule in its place."""
    page = (ROOT / "docs/validation.md").read_text("utf-8")
    before, _, rest = page.partition(RULES_BEGIN)
    _, end, after = rest.partition(RULES_END)
    lines = []
    for layer, title in ((Layer.OFFICIAL, "Official rules"), (Layer.REVIEWER, "Reviewer rules")):
        lines += ["", f"## {title}", ""]
        for rule in (rule for rule in RULES.values() if rule.layer is layer):
            lines += [f"### {rule.id}", "", f"{rule.what} {rule.why}", "", f"*Mend it:* {rule.how}", ""]
    return before + RULES_BEGIN + "\n".join(lines) + "\n" + end + after


RULES_BEGIN = "<!-- rules: written by `make docs` from the code -->\n"
RULES_END = "<!-- end of rules -->"
PAGES = {"docs/settings.md": settings, "docs/commands.md": commands, "docs/validation.md": validation}


def main() -> int:
    """Write the pages anew."""
    for path, page in PAGES.items():
        (ROOT / path).write_text(page(), "utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
