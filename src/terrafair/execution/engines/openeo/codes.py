"""openEO's names of errors for the codes of our problems."""

from terrafair.errors import Problem

GENERAL = "ProcessGraphInvalid"
_OWN = {
    "argument-missing": "ProcessParameterRequired",
    "argument-type": "ProcessParameterInvalid",
    "argument-value": "ProcessParameterInvalid",
    "argument-unknown": "ProcessParameterUnsupported",
    "parameter-missing": "ProcessParameterRequired",
    "parameter-type": "ProcessParameterInvalid",
    "parameter-unknown": "ProcessParameterInvalid",
    "process-unsupported": "ProcessUnsupported",
    "process-missing": "ProcessGraphInvalid",
    "process-recursion": "ProcessGraphInvalid",
    "graph-missing": "ProcessGraphMissing",
    "graph-invalid": "ProcessGraphInvalid",
    "node-unknown": "ProcessGraphInvalid",
    "cycle": "ProcessGraphInvalid",
    "result-missing": "ProcessGraphInvalid",
    "collection-unknown": "CollectionNotFound",
    "graph-too-large": "ProcessGraphComplexity",
    "estimate-too-large": "ProcessGraphComplexity",
    "format-unsupported": "FileTypeInvalid",
    "source-missing": "FileNotFound",
    "udf-runtime": "InvalidRuntime",
    "udf-version": "InvalidVersion",
    "extent-empty": "NoDataAvailable",
    "result-empty": "DataCubeEmpty",
    "crs-invalid": "ProcessParameterInvalid",
    "bounding-box": "ProcessParameterInvalid",
    "date-invalid": "ProcessParameterInvalid",
    "band-unknown": "ProcessParameterInvalid",
    "geometry-invalid": "ProcessParameterInvalid",
    "result-type": "ProcessParameterInvalid",
}
_SPECIFIED = frozenset({
    "array-element-not-available", "array-element-parameter-conflict", "array-element-parameter-missing",
    "array-label-conflict", "array-length-mismatch", "array-not-labeled", "ascending-probabilities-required",
    "band-exists", "band-filter-parameter-missing", "count-mismatch", "data-cube-empty",
    "data-cube-properties-immutable", "digital-elevation-model-invalid", "dimension-ambiguous", "dimension-exists",
    "dimension-label-count-mismatch", "dimension-mismatch", "dimension-missing", "dimension-not-available",
    "distinct-dimension-labels-required", "division-by-zero", "file-not-found", "format-unsuitable",
    "geometries-overlap", "incompatible-data-cubes", "incompatible-geometry-types", "invalid-ogc-api-process",
    "kernel-dimensions-uneven", "label-exists", "label-mismatch", "label-not-available", "labels-not-enumerated",
    "min-max-swapped", "multiplicand-missing", "nir-band-ambiguous", "no-data-available", "overlap-resolver-missing",
    "properties-unsupported", "quantiles-parameter-conflict", "quantiles-parameter-missing", "red-band-ambiguous",
    "target-dimension-exists", "temporal-extent-empty", "too-many-dimensions", "unit-mismatch",
})  # fmt: skip
"""Codes that are an error of the specification, written our way."""


def name_of(problem: Problem) -> str:
    """The error's name in the openEO API or in the process's specification."""
    if problem.code in _SPECIFIED:
        return "".join(part.capitalize() for part in problem.code.split("-"))
    return _OWN.get(problem.code, GENERAL)
