"""What the text of the file hides."""

from collections.abc import Iterator

from terrafair.catalogue.rules.document import escape, repeated_keys
from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.subject import Subject

_FORGIVEN = {
    "not-text": "It holds bytes or escapes that are no Unicode text.",
    "number-range": "It holds a number that is too large for most readers.",
}


def text(subject: Subject) -> Iterator[Finding]:
    """Keys written twice, bytes that are no UTF-8, and numbers that do not fit."""
    if (rule := subject.document.forgiven) != "":
        yield subject.finding(rule, "", _FORGIVEN[rule])
    for pointer, key in repeated_keys(subject.document):
        yield subject.finding(
            "repeated-key", f"{pointer}/{escape(key)}", f"The key {key!r} stands twice in one object."
        )
