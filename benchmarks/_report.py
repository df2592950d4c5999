"""How a benchmark prints: a table for people, then one line of JSON for programs."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def report(
    bench: str,
    *,
    ratio: float,
    against: str,
    figures: dict[str, Any],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> None:
    """`ratio` is ours to the peer of the same run; a number without a peer means nothing on another machine."""
    table = Table(*columns, title=f"{bench}, against {against}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    print(json.dumps({"bench": bench, "ratio": round(ratio, 2), "against": against, "figures": figures}))
