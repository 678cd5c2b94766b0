"""What a node says on stderr: one line per event, for people or as JSON.

stdout belongs to the ready line and to results. Libraries' own logs join ours from warning up, in
the same form: whoever reads JSON gets nothing else.

Much of what is logged was written by other nodes. What isn't plain text is shown escaped, so that
an answer can't move the cursor of whoever reads the log, nor write lines of its own.
"""

from __future__ import annotations

import logging
import sys

import structlog

from symphony.settings import LogSettings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging for this process."""
    level = _LEVELS[settings.level]
    renderer: structlog.typing.Processor
    if settings.format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _escaped,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # whoever sets up logging anew is heeded
    )
    foreign = logging.StreamHandler(sys.stderr)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[foreign], level=max(level, logging.WARNING), force=True)
    logging.getLogger("symphony").setLevel(level)


def _escaped(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Texts with control or format characters become their `repr`."""
    return {
        key: repr(value) if isinstance(value, str) and not value.isprintable() else value
        for key, value in event.items()
    }
