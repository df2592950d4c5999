"""Words on the page: boxes, headings, texts."""

from collections.abc import Callable

from nicegui import ui

from wattbook.console.look import Look

Refresh = Callable[[Look], None]
"""Shows a newer look in place of an older one."""


def head(title: str, aside: str) -> ui.label:
    with box("wb-head"):
        heading(title, 2, "wb-section")
        return text(aside, "wb-aside")


def heading(title: str, level: int, classes: str) -> ui.label:
    return text(title, classes).props(f"role=heading aria-level={level}")


def text(words: str, classes: str) -> ui.label:
    return ui.label(words).classes(classes)


def box(classes: str) -> ui.element:
    return ui.element("div").classes(classes)


def colour(label: ui.label, name: str) -> None:
    if name not in label.classes:
        label.classes(name, remove="wb-good wb-bad wb-waiting")
