"""The HTML that reports are made of: one page that needs no other file."""

import base64
from html import escape
from typing import Iterable, Sequence, Tuple

EMPTY = ("br", "img", "meta")
MIME = {"jpeg": "image/jpeg", "png": "image/png", "svg": "image/svg+xml"}
STYLE = """
:root { color-scheme: light; --line: #d5d9de; --quiet: #505a66; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 3rem; background: #fff;
  color: #1b1f24; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 48rem; }
figure { margin: 1rem 0; }
figcaption, .note, dt, footer { color: var(--quiet); font-size: .875rem; }
img { display: block; max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; }
dl div { padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .4rem; }
dd { margin: 0; }
.scores dd { font-size: 1.6rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: middle; }
thead th { border-bottom: 2px solid var(--line); font-size: .875rem; vertical-align: bottom; }
tbody th { font-weight: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; }
.classes { width: 100%; }
.classes .track { width: 45%; }
.bar, .swatch { display: block; height: 1rem; border: 1px solid #0006; border-radius: .15rem; }
.swatch { display: inline-block; width: 1rem; margin-right: .4rem; vertical-align: -.15rem; }
.panels { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; }
.panels figure { margin: 0; }
.panels img { width: 100%; border: 1px solid var(--line); image-rendering: pixelated; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .25rem 0 0; padding: 0;
  list-style: none; color: #1b1f24; }
.picture { margin: 1.25rem 0 2rem; }
footer { margin-top: 3rem; }
@media (max-width: 40rem) {
  .panels { grid-template-columns: repeat(2, 1fr); }
  .classes .track { width: 22%; }
  th, td { padding: .2rem .3rem; }
  dl { grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
}
@media print {
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr, dl { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  .scroll img { min-width: 0 !important; }
}
"""


class Html(str):
    """Text that is HTML already."""


def element(tag: str, *content: str, **attributes: str) -> Html:
    """An element; all of its content and attributes that is no `Html` is escaped.

    An underscore ends the name of an attribute that Python reserves: `class_="bar"`.
    """
    given = "".join(f' {name.rstrip("_")}="{escape(v)}"' for name, v in attributes.items())
    if tag in EMPTY:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(content)}</{tag}>")


def join(parts: Iterable[str]) -> Html:
    """Parts one after the other; those that are no `Html` are escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def image(content: bytes, kind: str, alt: str, **attributes: str) -> Html:
    """A picture of a kind in MIME, inside the page."""
    data = base64.b64encode(content).decode()
    return element("img", src=f"data:{MIME[kind]};base64,{data}", alt=alt, **attributes)


def definitions(rows: Iterable[Tuple[str, str]], **attributes: str) -> Html:
    """Names and their values, each in a box."""
    boxes = [element("div", element("dt", name), element("dd", value)) for name, value in rows]
    return element("dl", *boxes, **attributes)


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, **attributes: str
) -> Html:
    """A table whose rows are named by their first cell; cells that are numbers stand right."""
    columns = [element("th", name, scope="col") for name in head]
    return element(
        "table",
        element("caption", caption, class_="note"),
        element("thead", element("tr", *columns)),
        element("tbody", *(element("tr", *map(_cell, range(len(row)), row)) for row in rows)),
        **attributes,
    )


def _cell(column: int, content: str) -> Html:
    kind = {"scope": "row"} if column == 0 else {}
    if not isinstance(content, Html) and content[:1].isdigit():
        kind["class_"] = "number"
    return element("td" if column else "th", content, **kind)


def section(title: str, *content: str) -> Html:
    """A part of a page, with its heading."""
    return element("section", element("h2", title), *content)


def page(title: str, subtitle: str, *content: str) -> str:
    """A whole page."""
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    heading = element("header", element("h1", title), element("p", subtitle))
    body = element("body", heading, element("main", *content))
    return f"<!DOCTYPE html>\n{element('html', element('head', *head), body, lang='en')}\n"
