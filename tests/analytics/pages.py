"""Reads a report as a browser or a screen reader does: its tables, its charts' figures, and what it would load."""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_LOADING = {"src", "href", "action", "formaction", "poster", "srcset", "data", "background", "ping", "xlink:href"}


@dataclass
class Table:
    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)

    def records(self) -> list[dict[str, str]]:
        head, *rows = self.rows
        return [dict(zip(head, row, strict=True)) for row in rows]


class Page(HTMLParser):
    """`tables` by section; `charts`: Vega-Lite specifications by section; `loads`: what an attribute names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[Table]] = {}
        self.charts: dict[str, dict[str, Any]] = {}
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policy = ""
        self.elements: list[str] = []
        self._section, self._open, self._attributes = "", "", dict[str, str | None]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open, self._attributes = tag, dict(attrs)
        self.elements.append(tag)
        self.loads += [value or "" for name, value in attrs if name in _LOADING]
        self.styles += [value or "" for name, value in attrs if name == "style"]
        if tag == "section":
            self._section = self._attributes["id"] or ""
        elif tag == "table":
            self.tables.setdefault(self._section, []).append(Table())
        elif tag == "tr":
            self.tables[self._section][-1].rows.append([])
        elif tag in ("th", "td"):
            self.tables[self._section][-1].rows[-1].append("")
        elif tag == "meta" and self._attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = self._attributes["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("th", "td"):
            self.tables[self._section][-1].rows[-1][-1] += data
        elif self._open == "caption":
            self.tables[self._section][-1].caption += data
        elif self._open == "style":
            self.styles.append(data)
        elif self._open == "script" and "data-chart" in self._attributes:
            self.charts[(self._attributes["data-chart"] or "").removeprefix("chart-")] = json.loads(data)
        elif self._open == "script":
            self.scripts.append(data)

    def outside(self) -> list[str]:
        """What the page would load or link to, from elsewhere. Vega names addresses in its code, and loads none."""
        styled = [found for style in self.styles for found in re.findall(r"url\([^)]*\)|@import[^;]*", style)]
        return [address for address in self.loads if not address.startswith(("#", "data:"))] + styled


def values_of(spec: Any) -> list[dict[str, Any]]:
    """The rows of all data in a specification."""
    if isinstance(spec, list):
        return [row for part in spec for row in values_of(part)]
    if not isinstance(spec, dict):
        return []
    own = [row for rows in spec.get("datasets", {}).values() for row in rows]
    own += spec.get("data", {}).get("values", [])
    return own + [row for key, part in spec.items() if key not in ("datasets", "data") for row in values_of(part)]
