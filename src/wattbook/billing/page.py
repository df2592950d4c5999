"""The file that is sent to a person: the page, and inside it the e-invoice where the document is one."""

from zoneinfo import ZoneInfo

from wattbook.billing.documents import Document
from wattbook.billing.einvoice import to_facturx
from wattbook.billing.pdf import render


def to_page(document: Document, zone: ZoneInfo) -> bytes:
    """PDF/A-3, times in this zone."""
    page = render(document, zone)
    return to_facturx(document, page) if document.is_e_invoice else page
