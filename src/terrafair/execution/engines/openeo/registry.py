"""All predefined processes by name."""

from collections.abc import Callable, Mapping
from typing import Any

from terrafair.execution.engines.openeo.evaluate import Environment, Process


def processes() -> dict[str, Process]:
    """Build the library; the caller keeps it."""
    return {
        name: Process.of(name, function, elementwise=name in _ELEMENTWISE)
        for name, function in sorted(_functions().items())
    }


def elementwise(process: str) -> bool:
    """Whether a process works on single values, and on arrays of them one by one."""
    return process in _ELEMENTWISE


def _functions() -> dict[str, Callable[..., Any]]:
    from terrafair.execution.engines.openeo import load, save
    from terrafair.execution.engines.openeo.processes import (
        aggregation,
        arrays,
        callbacks,
        clouds,
        comparison,
        cubes,
        cumulative,
        curves,
        dates,
        filters,
        logic,
        math,
        merging,
        models,
        neighborhoods,
        polygons,
        ready,
        resampling,
        shapes,
        statistics,
        texts,
        udfs,
        vectors,
        zones,
    )

    own: dict[str, Callable[..., Any]] = {
        "and": logic.and_,
        "or": logic.or_,
        "xor": logic.xor,
        "not": logic.not_,
        "if": logic.if_,
        "all": statistics.all_,
        "any": statistics.any_,
        "int": math.int_,
        "round": math.round_,
        "max": statistics.max_,
        "min": statistics.min_,
        "sum": statistics.sum_,
        "run_udf": udfs.run_udf,
        "save_result": save.save_result,
        "inspect": inspect,
    }
    modules: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (aggregation, _AGGREGATION),
        (arrays, _ARRAYS),
        (callbacks, _CALLBACKS),
        (comparison, _COMPARISON),
        (cubes, _CUBES),
        (clouds, ("cloud_detection", "mask_scl_dilation", "to_scl_dilation_mask")),
        (curves, ("fit_curve", "predict_curve")),
        (cumulative, ("cummax", "cummin", "cumproduct", "cumsum")),
        (dates, ("date_between", "date_difference", "date_replace_component", "date_shift")),
        (filters, _FILTERS),
        (load, ("load_collection", "load_geojson", "load_stac", "load_uploaded_files", "load_url")),
        (math, _MATH),
        (merging, ("merge_cubes",)),
        (models, _MODELS),
        (neighborhoods, ("apply_neighborhood",)),
        (polygons, ("aggregate_spatial_window", "apply_polygon", "chunk_polygon")),
        (ready, _READY),
        (resampling, ("resample_cube_spatial", "resample_cube_temporal", "resample_spatial")),
        (save, ("stac_modify",)),
        (shapes, ("flatten_dimensions", "unflatten_dimension")),
        (statistics, _STATISTICS),
        (texts, ("text_begins", "text_concat", "text_contains", "text_ends", "text_find")),
        (vectors, _VECTORS),
        (zones, ("aggregate_spatial",)),
    )
    for module, names in modules:
        own.update({name: getattr(module, name) for name in names})
    return own


def inspect(environment: Environment, data: Any, message: str = "", code: str = "User", level: str = "info") -> Any:
    """Write what the data is to the log, and give it back."""
    from terrafair.execution.engines.openeo.values import describe, is_block

    shown = describe(data) if is_block(data) or not isinstance(data, str | int | float | list | dict) else repr(data)
    environment.say(" ".join(part for part in (f"[{code}]", message, shown[:1000]) if part), level)
    return data


_AGGREGATION = (
    "aggregate_temporal",
    "aggregate_temporal_period",
    "anomaly",
    "climatological_normal",
)
_ARRAYS = (
    "array_append",
    "array_apply",
    "array_concat",
    "array_contains",
    "array_create",
    "array_create_labeled",
    "array_element",
    "array_filter",
    "array_find",
    "array_find_label",
    "array_interpolate_linear",
    "array_labels",
    "array_modify",
    "order",
    "rearrange",
    "sort",
)
_CALLBACKS = (
    "apply",
    "apply_dimension",
    "apply_kernel",
    "ndvi",
    "reduce_dimension",
    "reduce_spatial",
)
_COMPARISON = (
    "between",
    "eq",
    "gt",
    "gte",
    "is_infinite",
    "is_nan",
    "is_nodata",
    "is_valid",
    "lt",
    "lte",
    "neq",
)
_CUBES = (
    "add_dimension",
    "create_data_cube",
    "dimension_labels",
    "drop_dimension",
    "rename_dimension",
    "rename_labels",
)
_FILTERS = (
    "filter_bands",
    "filter_bbox",
    "filter_labels",
    "filter_spatial",
    "filter_temporal",
    "mask",
    "mask_polygon",
    "trim_cube",
)
_MATH = (
    "absolute",
    "add",
    "arccos",
    "arcosh",
    "arcsin",
    "arctan",
    "arctan2",
    "arsinh",
    "artanh",
    "ceil",
    "clip",
    "constant",
    "cos",
    "cosh",
    "divide",
    "e",
    "exp",
    "floor",
    "linear_scale_range",
    "ln",
    "log",
    "mod",
    "multiply",
    "nan",
    "normalized_difference",
    "pi",
    "power",
    "sgn",
    "sin",
    "sinh",
    "sqrt",
    "subtract",
    "tan",
    "tanh",
)
_MODELS = (
    "fit_class_random_forest",
    "fit_regr_random_forest",
    "load_ml_model",
    "ml_predict",
    "predict_class",
    "predict_onnx",
    "predict_probabilities",
    "predict_random_forest",
    "save_ml_model",
)
_READY = (
    "ard_normalized_radar_backscatter",
    "ard_surface_reflectance",
    "atmospheric_correction",
    "sar_backscatter",
)
_STATISTICS = (
    "count",
    "extrema",
    "first",
    "last",
    "mean",
    "median",
    "product",
    "quantiles",
    "sd",
    "variance",
)

_VECTORS = (
    "filter_vector",
    "vector_buffer",
    "vector_reproject",
    "vector_to_random_points",
    "vector_to_raster",
    "vector_to_regular_points",
)

_ELEMENTWISE = frozenset({*_MATH, *_COMPARISON, "and", "or", "xor", "not", "int", "round"}) - {"constant"}

Library = Mapping[str, Process]
