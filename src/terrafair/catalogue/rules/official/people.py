"""The official rule about people: every project has a technical officer who can be written to."""

from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.subject import Subject

ROLE = "technical_officer"


def technical_officer(subject: Subject) -> Iterator[Finding]:
    """The first contact with that role has a name and an e-mail address."""
    contacts = subject.data.get("contacts")
    if not isinstance(contacts, list):
        yield subject.finding("technical-officer", "", "It has no array `contacts`.")
        return
    found = next(((number, one) for number, one in enumerate(contacts) if _is_officer(one)), None)
    if found is None:
        yield subject.finding("technical-officer", "/contacts", f"None of its contacts has the role {ROLE!r}.")
        return
    number, officer = found
    here = f"/contacts/{number}"
    if not _is_text(officer.get("name")):
        yield subject.finding("technical-officer", f"{here}/name", "The technical officer has no name.")
    emails = officer.get("emails")
    if not isinstance(emails, list) or not emails:
        yield subject.finding("technical-officer", f"{here}/emails", "The technical officer has no e-mail address.")
        return
    first = emails[0]
    if not isinstance(first, dict) or not _is_text(first.get("value")):
        yield subject.finding("technical-officer", f"{here}/emails/0/value", "The first e-mail address is none.")


def _is_officer(contact: Any) -> bool:
    roles = contact.get("roles") if isinstance(contact, dict) else None
    return isinstance(roles, list) and ROLE in roles


def _is_text(value: Any) -> bool:
    """More than one UTF-16 unit, as JavaScript counts."""
    return isinstance(value, str) and len(value.encode("utf-16-le", "surrogatepass")) > 2
