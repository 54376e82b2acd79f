"""How a run speaks on a command line: its own lines, without Dagster's account of every event."""

import logging

import dagster as dg

PROGRESS_LOGGER = "quintet.progress"


@dg.logger(config_schema={}, description="The lines that assets log, plain; for the command lines.")
def plain_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Forward what assets log to the logger `quintet.progress`, whose handler the command line sets."""
    logger = logging.getLogger(PROGRESS_LOGGER)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if _is_own_line not in logger.filters:
        logger.addFilter(_is_own_line)
    return logger


def _is_own_line(record: logging.LogRecord) -> bool:
    """Whether a person's line was logged, and not an event of the run."""
    return getattr(record, "dagster_meta", {}).get("dagster_event") is None
