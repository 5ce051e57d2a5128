"""Binds input values: defaults, then what the experiment published, then what is asked for now."""

import difflib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from terrafair.errors import InvalidInputs, Problem
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType


def bind(resolution: Resolution, overrides: Mapping[str, Any], *, exact: bool = False) -> dict[str, Any]:
    """The values that a run gets; `exact` takes the types of JSON as they are (5 is no text).

    Raises `InvalidInputs` that names every input that is unknown (with the nearest), missing or of the wrong type.
    """
    specs = {spec.name: spec for spec in resolution.inputs}
    if not specs:
        return _unchecked(resolution, overrides)
    problems = [_unknown(name, specs) for name in overrides if name not in specs]
    published = {name: value for name, value in resolution.values.items() if name in specs}
    values = {spec.name: spec.default for spec in resolution.inputs if spec.default is not None}
    values |= published | {name: value for name, value in overrides.items() if name in specs}
    for name, spec in specs.items():
        if values.get(name) is None:
            if spec.required:
                problems.append(_missing(spec))
            continue
        if not (exact and name in overrides):
            values[name] = _fitted(values[name], spec.schema)
        problems.extend(_faults(values[name], spec))
    if problems:
        raise InvalidInputs(problems)
    return values


def unmet(specs: Iterable[InputSpec], values: Mapping[str, Any]) -> list[InputSpec]:
    """The required inputs that have no value."""
    return [spec for spec in specs if spec.required and values.get(spec.name) is None]


def _unchecked(resolution: Resolution, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow that declares nothing takes what was published with it, and nothing else."""
    free = resolution.type is WorkflowType.COMMAND
    strange = [] if free else [name for name in overrides if name not in resolution.values]
    if strange:
        known = dict.fromkeys(resolution.values, InputSpec(""))
        raise InvalidInputs([_unknown(name, known) for name in strange])
    return {**resolution.values, **overrides}


def _unknown(name: str, specs: Mapping[str, InputSpec]) -> Problem:
    near = difflib.get_close_matches(name, specs, 3, 0.5)
    if near:
        remedy = f"Did you mean {' or '.join(near)}?"
    else:
        remedy = f"Its inputs: {', '.join(specs)}." if specs else "It declares no inputs."
    return Problem(f"There is no input {name!r}.", "", remedy, name, "input-unknown")


def _missing(spec: InputSpec) -> Problem:
    kind = spec.schema.get("type")
    wanted = f" It takes {_words(kind)}." if kind else ""
    about = spec.title or spec.description.strip().split("\n")[0]
    why = f"{about}{'' if about.endswith('.') else '.'}" if about else ""
    remedy = f"Give it: --input {spec.name}=VALUE."
    return Problem(f"The required input {spec.name!r} has no value.{wanted}", why, remedy, spec.name, "input-missing")


def _fitted(value: Any, schema: Mapping[str, Any]) -> Any:
    """Command lines and YAML cannot say which of `5` and `"5"` is meant; where only one is taken, it is that one."""
    kind = schema.get("type")
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return [_fitted(part, schema["items"]) for part in value] if isinstance(value, list) else value
    return value


def _faults(value: Any, spec: InputSpec) -> Iterable[Problem]:
    schema = dict(spec.schema)
    if not schema:
        return
    if schema.get("format") and isinstance(value, Mapping) and isinstance(value.get("href"), str):
        # OGC API - Processes gives data by `{"href": ...}`.
        return
    validator = _validator(json.dumps(schema, sort_keys=True, default=str))
    for fault in _errors(validator, value)[:5] if validator is not None else ():
        path = ".".join(str(part) for part in fault.instance_path)
        where = f"{spec.name}.{path}" if path else spec.name
        yield Problem(
            f"The input {where!r} is {_shown(fault.instance)}.", _why(fault, schema), "", where, "input-invalid"
        )


def _errors(validator: Any, value: Any) -> list[Any]:
    try:
        return list(validator.iter_errors(value))
    except (ValueError, RecursionError):
        # No value of JSON; the engine will say what it makes of it.
        return []


@lru_cache(maxsize=512)
def _validator(schema: str) -> Any:
    """A validator by its schema's JSON; None where the author's own schema is broken: the engine will say."""
    # Not by `jsonschema`: where its optional formats are installed, loading it alone takes two seconds.
    import jsonschema_rs

    try:
        return jsonschema_rs.Draft202012Validator(json.loads(schema), offline=True)
    except (jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError, ValueError):
        return None


def _why(fault: Any, schema: Any) -> str:
    rule: Any = schema
    for part in fault.schema_path:
        rule = rule.get(part) if isinstance(rule, Mapping) else _part(rule, part)
    match fault.kind.name:
        case "type" if rule:
            return f"It takes {_words(rule)}."
        case "enum" if rule:
            return f"It takes one of {', '.join(map(str, rule))}."
        case "anyOf" | "oneOf" if isinstance(rule, list):
            kinds = [part.get("type") for part in rule if isinstance(part, Mapping)]
            return f"It takes {' or '.join(_words(kind) for kind in kinds if kind)}." if any(kinds) else "It fits none."
        case _:
            return f"{str(fault.message)[:200]}."


def _part(rule: Any, part: Any) -> Any:
    return rule[part] if isinstance(rule, list) and isinstance(part, int) and part < len(rule) else None


@lru_cache(maxsize=32)
def _word(kind: str) -> str:
    return {
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "an object",
        "null": "nothing",
    }.get(kind, kind)


def _words(kind: Any) -> str:
    return " or ".join(_word(str(part)) for part in (kind if isinstance(kind, list) else [kind]))


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value).replace("True", "true").replace("False", "false")
    return text if len(text) <= 60 else f"{text[:57]}..."
