"""The suite at a terminal: what was typed becomes a target, and the findings a table or one JSON object."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattbook.conformance.bench import Target
from wattbook.conformance.outcome import Failed, Finding, Outcome
from wattbook.conformance.suite import document, failed, run_suite
from wattbook.conformance.trigger import CommandTrigger
from wattbook.conformance.versions import VERSIONS
from wattbook.kernel.errors import InvalidInput, Unavailable

STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.NOT_APPLICABLE: "dim"}
HEX = "hex:"


def secret(text: str) -> bytes:
    """A password as it was typed: `hex:` before it says that it is bytes.

    Raises:
        InvalidInput: what follows is no hex.
    """
    if not text.startswith(HEX):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix(HEX))
    except ValueError:
        raise InvalidInput("the password after hex: is no hex") from None


async def ask_and_tell(
    target: Target, versions: Sequence[str], wanted: str, command: str | None, *, as_json: bool
) -> bool:
    """Run the suite and print what it found; whether no check failed.

    Raises:
        InvalidInput: no such version, no such check, or a URL that is no WebSocket's.
        Unavailable: nobody is there, or the station is not let in.
    """
    unknown = [name for name in versions if name not in VERSIONS]
    if unknown:
        raise InvalidInput(f"no version {', '.join(unknown)}; there are {', '.join(VERSIONS)}")
    if not target.url.startswith(("ws://", "wss://")):
        raise InvalidInput(f"{target.url} is no WebSocket: it begins with ws:// or wss://")
    async with AsyncExitStack() as stack:
        if command is not None:
            target = replace(target, trigger=await stack.enter_async_context(CommandTrigger(command)))
        try:
            findings = await _watched(target, versions, wanted, quiet=as_json)
        except Failed as failure:
            raise Unavailable(f"{target.url}: {failure}") from failure
    if not findings:
        raise InvalidInput("nothing to check: the station is not let in in any version, or no check has that name")
    if as_json:
        print(document(findings))
    else:
        Console().print(findings_table(target, findings))
    return not failed(findings)


async def _watched(target: Target, versions: Sequence[str], wanted: str, *, quiet: bool) -> list[Finding]:
    with Console(stderr=True, quiet=quiet).status("looking which versions are spoken") as status:
        return await run_suite(
            target,
            versions,
            wanted=wanted,
            watch=lambda finding: status.update(f"{finding.version} {escape(finding.check)}"),
        )


def findings_table(target: Target, findings: Sequence[Finding]) -> Table:
    """A row a check; what was expected, and who says so, only where something else was seen."""
    counts = ", ".join(f"{sum(each.outcome is outcome for each in findings)} {outcome.value}" for outcome in Outcome)
    table = Table(title=f"OCPP conformance of {target.url}", caption=counts)
    table.add_column("version")
    table.add_column("check")
    table.add_column("outcome", no_wrap=True)
    table.add_column("seen", overflow="fold")
    for each in findings:
        seen = escape(each.seen)
        if each.outcome is Outcome.FAILED:
            seen += f"\n[dim]expected: {escape(each.expected)} ({escape(each.source)})"
        table.add_row(each.version, escape(each.check), f"[{STYLES[each.outcome]}]{each.outcome.value}", seen)
    return table
