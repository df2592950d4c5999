"""Messages out of schemas: payloads that keep a schema, at its borders and between them.

A payload is drawn by a number and a source of randomness. The number decides what randomness would miss: payload 0
holds what is required and no more, payload 1 everything at its greatest; every odd one has all its options, and no
empty list; each enum walks through its values from one odd number to the next. So `payloads` together show every value
of every enum, both sides of every option, and every limit.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from wattbook.conformance.versions import JsonObject

Schema = JsonObject

SMALLEST, GREATEST, FULL = 0, 1, 3  # the last: every option, and lists that are short
COUNT_MIN: Final = 4
TEXT_LENGTH_MAX: Final = 300  # where a schema sets no limit
ITEMS_MAX: Final = 6  # of a list without limit, or with one that would make no message but a flood

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_.:/*'\"\\<>&%"
WIDE_LETTERS: Final = "éßñ漢字한글Ω€🚗"
INTEGERS: Final = (0, 1, -1, 7, 1000, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63)
TIMES: Final = (
    "2026-10-01T12:00:00Z",
    "2026-10-01T12:00:00.123Z",
    "2026-10-01T21:00:00.123456+09:00",
    "2026-03-29T02:30:00-03:30",
    "2024-02-29T23:59:59.999Z",
    "1970-01-01T00:00:00Z",
)
EDGE_TIMES: Final = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")


def payloads(schema: Schema, seed: int) -> Iterator[Any]:
    """Payloads that keep the schema: twice as many as its longest enum has values; a seed gives the same again."""
    for number in range(max(COUNT_MIN, 2 * _longest_enum(schema))):
        yield payload(schema, number, random.Random(f"{seed}/{number}"))


def payload(schema: Schema, number: int, source: random.Random) -> Any:
    """One payload that keeps the schema."""
    return _Drawing(schema, number, source).value(schema, lists_above=0)


def resolve(root: Schema, schema: Schema) -> Schema:
    """The schema a reference inside the document points at; any other schema is itself."""
    while "$ref" in schema:
        found: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _longest_enum(schema: Any) -> int:
    if isinstance(schema, dict):
        own = schema.get("enum")
        inside = max((_longest_enum(part) for part in schema.values()), default=0)
        return max(inside, len(own) if isinstance(own, list) else 0)
    return 0


class _Drawing:
    def __init__(self, root: Schema, number: int, source: random.Random) -> None:
        self._root = root
        self._number = number
        self._source = source

    def value(self, schema: Schema, lists_above: int) -> Any:
        schema = resolve(self._root, schema)
        if "enum" in schema:
            return schema["enum"][self._number // 2 % len(schema["enum"])]
        match schema.get("type"):
            case "object":
                return self._object(schema, lists_above)
            case "array":
                return [self.value(schema["items"], lists_above + 1) for _ in range(self._length(schema, lists_above))]
            case "string":
                return self._text(schema)
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number_of(schema)
            case "boolean":
                return self._source.random() < 0.5
        return {"anything": [1, "two", None]}  # no type: any JSON value will do

    def _object(self, schema: Schema, lists_above: int) -> JsonObject:
        required = set(schema.get("required", ()))
        drawn = {
            name: self.value(part, lists_above)
            for name, part in schema.get("properties", {}).items()
            if name in required or self._wants_option()
        }
        if schema.get("additionalProperties", True) is not False and self._wants_option():
            drawn["x-extension"] = {"deep": [1, None, "text"]}
        return drawn

    def _wants_option(self) -> bool:
        if self._number == SMALLEST:
            return False
        return self._number % 2 == 1 or self._source.random() < 0.4

    def _length(self, schema: Schema, lists_above: int) -> int:
        least = max(schema.get("minItems", 0), self._number % 2)
        most = max(least, min(schema.get("maxItems", ITEMS_MAX), ITEMS_MAX))
        if self._number == GREATEST and lists_above == 0:
            return int(most)
        return int(min(most, least + (self._number > GREATEST and self._source.random() < 0.3)))

    def _text(self, schema: Schema) -> str:
        match schema.get("format"):
            case "date-time":
                return self._source.choice(TIMES + EDGE_TIMES if self._number > COUNT_MIN else TIMES)
            case "uri":
                return f"https://example.org/{self._source.randrange(10**6)}?a=b%20c"
        longest = schema.get("maxLength", TEXT_LENGTH_MAX)
        if self._number == GREATEST:
            length = longest
        else:
            length = self._source.choice((1, min(longest, TEXT_LENGTH_MAX), self._source.randint(0, longest)))
        letters = LETTERS + WIDE_LETTERS if self._source.random() < 0.5 else LETTERS
        return "".join(self._source.choices(letters, k=length))

    def _integer(self, schema: Schema) -> int:
        least, most = schema.get("minimum"), schema.get("maximum")
        candidates = [each for each in INTEGERS if (least is None or each >= least) and (most is None or each <= most)]
        candidates += [int(border) for border in (least, most) if border is not None]
        return self._source.choice(candidates)

    def _number_of(self, schema: Schema) -> Decimal:
        step = Decimal(str(schema.get("multipleOf", "0.001")))
        least, most = schema.get("minimum"), schema.get("maximum")
        drawn = step * self._source.choice((0, 1, 25, 32000, self._source.randint(0, 10**6)))
        if least is not None:
            drawn = max(drawn, Decimal(str(least)))
        if most is not None:
            drawn = min(drawn, Decimal(str(most)))
        return drawn
