"""What the text of the file hides."""

from collections.abc import Iterator

from terrafair.catalogue.rules.document import escape, repeated_keys
from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.subject import Subject


def text(subject: Subject) -> Iterator[Finding]:
    """Keys written twice, and bytes that are no UTF-8."""
    if subject.document.forgiven:
        yield subject.finding("not-text", "", "It holds bytes or escapes that are no Unicode text.")
    for pointer, key in repeated_keys(subject.document):
        yield subject.finding(
            "repeated-key", f"{pointer}/{escape(key)}", f"The key {key!r} stands twice in one object."
        )
