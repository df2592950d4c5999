"""Station tariffs as OCPI 2.2.1 objects: parse what partners send, print what they understand.

Parsing is permissive: a field that pricing does not read is kept and printed again, a step size that is missing is 1
(the value OCPI recommends), a number may come as a number or as text. It is explicit all the same: what is there and
wrong is refused with its place. Printed numbers are `Decimal`; an encoder has to write them as JSON numbers (msgspec:
`decimal_format="number"`), so that no float comes between.

Feed-in is ours: `wattbook_feed_in` is a list of elements with components of type ENERGY_EXPORT, beside `elements`,
which stay as the specification has them. A partner that does not know the field passes over it.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from wattbook.kernel.errors import InvalidInput
from wattbook.tariffs.station import Dimension, PriceComponent, PriceLimit, StationTariff, TariffElement

FEED_IN_FIELD = "wattbook_feed_in"
_READ_FIELDS = {
    "country_code", "party_id", "id", "currency", "elements", "min_price", "max_price", FEED_IN_FIELD,
}  # fmt: skip


def parse_tariff(content: Mapping[str, Any]) -> StationTariff:
    """A tariff from a decoded JSON object of OCPI 2.2.1.

    Raises:
        InvalidInput: a required field is missing or a field cannot be read; the message names its place.
    """
    return StationTariff(
        country_code=_text(content, "country_code", "tariff"),
        party_id=_text(content, "party_id", "tariff"),
        id=_text(content, "id", "tariff"),
        currency=_text(content, "currency", "tariff"),
        elements=_elements(content, "elements"),
        feed_in=_elements(content, FEED_IN_FIELD) if content.get(FEED_IN_FIELD) else (),
        min_price=_limit(content, "min_price"),
        max_price=_limit(content, "max_price"),
        extra={name: value for name, value in content.items() if name not in _READ_FIELDS},
    )


def print_tariff(tariff: StationTariff) -> dict[str, Any]:
    """The OCPI 2.2.1 object of a tariff; optional fields that are not set are left out."""
    limits = {"min_price": tariff.min_price, "max_price": tariff.max_price}
    return {
        "country_code": tariff.country_code,
        "party_id": tariff.party_id,
        "id": tariff.id,
        "currency": tariff.currency,
        **{name: _print_limit(limit) for name, limit in limits.items() if limit},
        "elements": [_print_element(element) for element in tariff.elements],
        **({FEED_IN_FIELD: [_print_element(element) for element in tariff.feed_in]} if tariff.feed_in else {}),
        **tariff.extra,
    }


def _elements(content: Mapping[str, Any], name: str) -> tuple[TariffElement, ...]:
    elements = content.get(name)
    if not isinstance(elements, list) or not elements:
        raise InvalidInput(f"tariff: {name} must be a list with at least one element")
    return tuple(_element(element, f"{name}[{number}]") for number, element in enumerate(elements))


def _element(content: object, place: str) -> TariffElement:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{place}: must be an object")
    components = content.get("price_components")
    if not isinstance(components, list) or not components:
        raise InvalidInput(f"{place}: price_components must be a list with at least one component")
    restrictions = content.get("restrictions") or {}
    if not isinstance(restrictions, Mapping):
        raise InvalidInput(f"{place}: restrictions must be an object")
    return TariffElement(
        tuple(_component(part, f"{place}.price_components[{number}]") for number, part in enumerate(components)),
        {name: value for name, value in restrictions.items() if value is not None},
    )


def _component(content: object, place: str) -> PriceComponent:
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{place}: must be an object")
    kind = _text(content, "type", place)
    if kind not in Dimension.__members__:
        raise InvalidInput(f"{place}: unknown type {kind!r}; known: {', '.join(Dimension)}")
    step_size = content.get("step_size", 1)
    if not isinstance(step_size, int) or isinstance(step_size, bool):
        raise InvalidInput(f"{place}: step_size must be a whole number, not {step_size!r}")
    price = _number(content.get("price"), f"{place}.price")
    vat = None if content.get("vat") is None else _number(content["vat"], f"{place}.vat")
    try:
        return PriceComponent(Dimension(kind), price, vat, step_size)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error.message}") from None


def _limit(content: Mapping[str, Any], name: str) -> PriceLimit | None:
    limit = content.get(name)
    if limit is None:
        return None
    if not isinstance(limit, Mapping):
        raise InvalidInput(f"{name}: must be an object with excl_vat")
    after_tax = limit.get("incl_vat")
    return PriceLimit(
        _number(limit.get("excl_vat"), f"{name}.excl_vat"),
        None if after_tax is None else _number(after_tax, f"{name}.incl_vat"),
    )


def _text(content: Mapping[str, Any], name: str, place: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{place}: {name} is missing or not a text")
    return value


def _number(value: object, place: str) -> Decimal:
    """Exact; a float is read by its shortest text, which is what stood in the JSON up to 15 digits."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite():
        raise InvalidInput(f"{place}: must be a number, not {value!r}")
    return number


def _print_element(element: TariffElement) -> dict[str, Any]:
    restrictions = {"restrictions": dict(element.restrictions)} if element.restrictions else {}
    return {"price_components": [_print_component(part) for part in element.components], **restrictions}


def _print_component(component: PriceComponent) -> dict[str, Any]:
    vat = {} if component.vat is None else {"vat": component.vat}
    return {"type": str(component.dimension), "price": component.price, **vat, "step_size": component.step_size}


def _print_limit(limit: PriceLimit) -> dict[str, Decimal]:
    after_tax = {} if limit.after_tax is None else {"incl_vat": limit.after_tax}
    return {"excl_vat": limit.before_tax, **after_tax}
