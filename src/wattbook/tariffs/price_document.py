"""The price of a session as one JSON object: totals, dimensions, and the lines that explain them; amounts are texts."""

from collections.abc import Sequence
from typing import Any

from wattbook.kernel.clock import format_rfc3339
from wattbook.tariffs.session_price import Price, PriceLine, quantity, shown
from wattbook.tariffs.station import SessionPeriod


def price_document(price: Price, periods: Sequence[SessionPeriod]) -> dict[str, Any]:
    """Amounts half up to the stored unit of the currency, each by itself; `total` is what counts."""
    currency = price.currency
    return {
        "currency": currency,
        "total": {
            "before_taxes": shown(price.before_tax, currency),
            "after_taxes": shown(price.after_tax, currency),
            "taxes": [
                {
                    "name": "VAT",
                    "percentage": None if tax.percentage is None else f"{tax.percentage:f}",
                    "amount": shown(tax.amount, currency),
                }
                for tax in price.taxes
            ],
            "tax_stated": price.tax_stated,
        },
        "dimensions": {
            name.value: {
                "volume": quantity(cost.volume),
                "unit": cost.unit,
                "before_taxes": shown(cost.before_tax, currency),
                "after_taxes": shown(cost.after_tax, currency),
            }
            for name, cost in price.dimensions.items()
        },
        "lines": [_line_document(line, periods, currency) for line in price.lines],
        "notes": list(price.notes),
    }


def _line_document(line: PriceLine, periods: Sequence[SessionPeriod], currency: str) -> dict[str, Any]:
    return {
        "reason": line.reason,
        "period": line.period,
        "period_start": None if line.period is None else format_rfc3339(periods[line.period].start),
        "tariff_id": line.tariff_id,
        "element": line.element,
        "component": line.dimension and line.dimension.value,
        "reservation": line.reservation,
        "volume": quantity(line.volume),
        "unit": line.unit,
        "step_size": line.step_size,
        "price": f"{line.price:f}",
        "vat": None if line.vat is None else f"{line.vat:f}",
        "before_taxes": shown(line.before_tax, currency),
        "tax": shown(line.after_tax - line.before_tax, currency),
        "after_taxes": shown(line.after_tax, currency),
    }
