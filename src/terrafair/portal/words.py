"""Sentences of the pages that templates do not hold: with `templates/` the place for the pages' English.

Errors say what happened, why, and the way out, where they are raised.
"""

from collections.abc import Mapping

PUBLISH_STEPS = ("Choose a result", "Describe", "Check", "Archive", "Pull request", "Review", "In the catalogue")
AMEND_STEPS = ("Choose an entry", "Describe", "Check", "Pull request", "Review", "In the catalogue")
"""A change of an entry has no result to archive."""
QGIS = "QGIS, as XYZ layer"
EXAMPLE_INPUT = "Highest cloud cover"
REFERENCES: Mapping[str, str] = {
    "stac-item": "The address of a STAC item.",
    "stac-collection": "The address of a STAC collection.",
    "file": "The address of a file, or a file of yours.",
}
"""What is typed into an input that takes an address, by the format of its schema."""
REFERENCE = "An address: https, s3, or one of this platform's results."
HINTS: Mapping[str, str] = {
    "interval": "The end is excluded unless the workflow says otherwise.",
    "lines": "One in each line.",
    "json": "Text, or JSON for lists and objects.",
    "geometry": "GeoJSON, in degrees; the map writes it when you draw.",
    "moment": "With its time zone, e.g. 2024-06-01T00:00:00Z.",
}
"""What is typed into other inputs, by their control."""
NEW_TEXT = "A new text"
NO_PAGE = ("Nothing is at {path}.", "The address may be mistyped, or what it named has gone.", "Look for it by words.")
NO_SUCH_METHOD = ("{path} does not take {method}.", "It was not reached by its own button or link.", "Go back, and on.")
"""What happened, why, and the way out, where the router itself refuses."""
