"""Renders the page: one HTML file that loads nothing from anywhere, so that it can be mailed and kept."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from hostaway_pipeline.report.sections import Headline, Section

_VEGA_LITE = "6.4"


def render(title: str, made: str, headlines: list[Headline], sections: list[Section]) -> str:
    """All texts are escaped. The page's policy forbids every request, and every script but the two of its own."""
    scripts = [_script(vega()), _script(_text("page.js"))]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("page.html.j2")).render(
        title=title,
        made=made,
        headlines=headlines,
        sections=sections,
        style=Markup(_text("page.css")),  # noqa: S704 (a file of ours)
        scripts=[Markup(text) for text, _ in scripts],  # noqa: S704 (ours, or made safe by `_script`)
        policy="; ".join(
            [
                "default-src 'none'",
                "script-src " + " ".join(f"'sha256-{digest}'" for _, digest in scripts),
                "style-src 'unsafe-inline'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
        json=_embedded,
    )


@cache
def vega() -> str:
    """The libraries that draw the charts: Vega-Embed, with Vega-Lite and Vega."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE)


def picture(spec: dict[str, Any]) -> str:
    """The chart as SVG."""
    return vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)


def _script(code: str) -> tuple[str, str]:
    """The code as it may stand in a script element, and its digest for the policy."""
    safe = code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return safe, base64.b64encode(hashlib.sha256(safe.encode()).digest()).decode()


def _embedded(value: Any) -> Markup:
    """JSON that may stand in a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (escaped above)


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
