"""What a process tells about itself, and how it is set up to run long: logs, metrics, memory."""

import gc
import logging
import sys

import structlog
from prometheus_client import Counter, Histogram


def configure_logs(*, json: bool, level: int = logging.INFO) -> None:
    """One line an event on standard error: for people on a terminal, JSON for machines. No logger is told a secret."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def tune_garbage_collection() -> None:
    """Collect seldom: a batch makes tens of thousands of short-lived records without cycles.

    With the default thresholds the collector walks them again and again, which costs a third of the time of a posting.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


MESSAGES = Counter("wattbook_messages_total", "Messages received from stations", ["action", "outcome"])
COMMIT_SECONDS = Histogram("wattbook_commit_seconds", "Time of one group commit, batch in to commit confirmed")
COMMIT_ITEMS = Histogram(
    "wattbook_commit_items", "Items in one group commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
)
TURNED_AWAY = Counter("wattbook_turned_away_total", "Sockets of stations turned away before their request was read")
FRAMES_LOST = Counter("wattbook_journal_frames_lost_total", "Frames that the journal could not keep")
