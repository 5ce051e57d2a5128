"""The platform's log: every line, ours or a library's, in one form, with what it is about.

`request`, `job` and `project` are bound with `structlog.contextvars` where requests come in and where jobs begin; a
line of any logger gets what is bound in the thread or task that writes it.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos")
"""Loggers of libraries that write past the root's handler unless told otherwise."""


def configure(form: str, stream: TextIO | None = None) -> logging.Handler:
    """Write warnings and worse to standard error as `text` or as lines of `json`; gives the handler that does."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    # The pretty ones print each variable, secrets too, and hold a loaded process up for half a minute.
    plain = structlog.dev.plain_traceback
    rendered: list[Processor] = [
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time", exception_formatter=plain)
    ]
    if form == "json":
        rendered = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
            foreign_pre_chain=shared,
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    for name in OWN_HANDLERS:
        # One that has a handler gets none of its library's.
        logging.getLogger(name).handlers = [logging.NullHandler()]
        logging.getLogger(name).propagate = True
    return handler
