"""The usage report to the Network of Resources: JSON and CSV of one shape, with a digest that can be checked.

The CSV's columns carry the names of FOCUS 1.2 (FinOps Open Cost and Usage Specification), prefixed where they are ours.
"""

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Sequence
from typing import Any

from terrafair.identity.allocations import MonthlyUsage

SCHEMA = "terrafair-usage-2"
COLUMNS = (
    "BillingPeriodStart",
    "ProviderName",
    "SubAccountId",
    "CommitmentDiscountId",
    "ChargeCategory",
    "PricingQuantity",
    "BilledCost",
    "BillingCurrency",
    "x_NorReference",
    "ServiceCategory",
    "ServiceName",
)
_CATEGORIES = {"settle": "Usage", "charge": "Usage", "refund": "Credit"}
_SERVICES = {"jobs": "Compute", "storage": "Storage", "egress": "Networking"}
"""A resource of ours -> the category that FOCUS has for it."""


def report(
    rows: Sequence[MonthlyUsage], platform: str, made: str, key: bytes, egress: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The JSON form; `egress` are the bytes that left, per month and project.

    `signature` is an HMAC-SHA256 over everything else, keys sorted, without white space.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "platform": platform,
        "made": made,
        "unit": "milli-credit",
        "total": sum(row.spent for row in rows),
        "usage": [
            {
                "month": row.month,
                "project": row.project,
                "allocation": row.allocation,
                "nor_reference": row.reference,
                "kind": row.kind,
                "resource": row.resource,
                "entries": row.entries,
                "spent": row.spent,
            }
            for row in rows
        ],
        "egress": list(egress),
    }
    return {**document, "signature": _signature(document, key)}


def holds(document: dict[str, Any], key: bytes) -> bool:
    """Whether nobody has changed a report, and its total is the sum of its rows."""
    rest = {name: value for name, value in document.items() if name != "signature"}
    total = sum(int(row["spent"]) for row in rest.get("usage", ()))
    signed = hmac.compare_digest(str(document.get("signature", "")), _signature(rest, key))
    return signed and total == rest.get("total")


def table(rows: Sequence[MonthlyUsage], platform: str) -> str:
    """The CSV form; costs in credits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cost = f"{row.spent / 1000:.3f}"
        category = _CATEGORIES.get(row.kind, "Usage")
        start, service = f"{row.month}-01T00:00:00Z", _SERVICES[row.resource]
        about = [row.reference, service, row.resource]
        writer.writerow([start, platform, row.project, row.allocation, category, row.entries, cost, "credits", *about])
    return out.getvalue()


def _signature(document: dict[str, Any], key: bytes) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
