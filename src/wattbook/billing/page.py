"""The file that is sent to a person: the page, and inside it the e-invoice where the document is one."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.billing.documents import Document
from wattbook.billing.einvoice import to_facturx
from wattbook.billing.pdf import render
from wattbook.kernel.telemetry import tune_garbage_collection

PAGES_A_PROCESS: Final = 8
"""Fewer are made sooner than another process has begun."""


def to_page(document: Document, zone: ZoneInfo) -> bytes:
    """PDF/A-3, times in this zone."""
    page = render(document, zone)
    return to_facturx(document, page) if document.is_e_invoice else page


def page_file(folder: Path, number: str) -> Path:
    return folder / f"{number}.pdf"


def write_pages(documents: Sequence[Document], zone: ZoneInfo, folder: Path) -> Iterator[str]:
    """The pages of the documents as files named after their numbers, made by as many processes as there are cores;
    each number once its file is there. A file is there whole or not at all.
    """
    processes = min(os.cpu_count() or 1, 1 + len(documents) // PAGES_A_PROCESS)
    # Not forked: a process with threads, such as a database's, must not be.
    how = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=how, initializer=tune_garbage_collection) as pool:
        for written in as_completed([pool.submit(_write_page, document, zone, folder) for document in documents]):
            yield written.result()


def _write_page(document: Document, zone: ZoneInfo, folder: Path) -> str:
    part = folder / f"{document.number}.part"
    part.write_bytes(to_page(document, zone))
    part.replace(page_file(folder, document.number))
    return document.number
