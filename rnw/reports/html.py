"""The HTML that reports are made of: one page that needs no other file."""

import base64
import re
from html import escape
from typing import Dict, Iterable, Sequence, Tuple

EMPTY = ("img", "meta")
NUMBER = re.compile(r"-?\d+(\.\d+)?( %)?")
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
figcaption, .note, dt { color: var(--quiet); font-size: .875rem; }
img { display: block; max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; }
dl div { padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .4rem; }
dd { margin: 0; }
.scores { grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); }
.scores dd { font-size: 1.6rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: middle; }
thead th { border-bottom: 2px solid var(--line); font-size: .875rem; vertical-align: bottom; }
tbody th { font-weight: normal; }
th, td { overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
.scroll { overflow-x: auto; }
caption { position: sticky; left: 0; max-width: calc(100vw - 2rem); padding-bottom: .5rem;
  text-align: left; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.classes { width: 100%; table-layout: fixed; }
.classes th:nth-child(2) { width: 40%; }
.classes .number { width: 6rem; }
.scroll img { max-width: none; }
.bar, .swatch { display: block; height: 1rem; border: 1px solid #0006; border-radius: .15rem; }
.swatch { display: inline-block; width: 1rem; margin-right: .4rem; vertical-align: -.15rem; }
.panels { display: grid; grid-template-columns: repeat(4, 1fr); gap: .5rem; }
.panels figure { margin: 0; }
.classes + .panels { margin-top: 1rem; }
.panels img { width: 100%; border: 1px solid var(--line); image-rendering: pixelated; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .25rem 0 0; padding: 0;
  list-style: none; color: #1b1f24; }
.picture > figcaption { margin-top: .4rem; }
.picture { margin: 1.25rem 0 2rem; }
@media (max-width: 40rem) {
  .panels { grid-template-columns: repeat(2, 1fr); }
  .classes th:nth-child(2) { width: 20%; }
  .classes .number { width: 3.2rem; }
  .classes th:nth-child(4), .classes th:nth-child(5) { width: 4.4rem; }
  th, td { padding: .2rem .25rem; font-size: .8125rem; }
  thead th { font-size: .75rem; }
  dl { grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
  .scores { grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
  .scores dd { font-size: 1.25rem; }
}
@media print {
  body { max-width: none; padding: 0; -webkit-print-color-adjust: exact;
    print-color-adjust: exact; }
  figure, tr, dl { break-inside: avoid; }
  h2, h3, p.note { break-after: avoid; }
  nav { display: none; }
  .scroll { overflow: visible; }
  .scroll img { max-width: 100%; min-width: 0 !important; }
}
"""


class Html(str):
    """Text that is HTML already."""


def element(tag: str, *content: str, **attributes: str) -> Html:
    """Return an element; its attributes are escaped, and its content that is no `Html`.

    Attributes are named as in `class_="bar", aria_label="Bars"`.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in EMPTY:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(content)}</{tag}>")


def join(parts: Iterable[str]) -> Html:
    """Return the parts one after the other; those that are not `Html` are escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def image(content: bytes, kind: str, alt: str, **attributes: str) -> Html:
    """Return a picture of a kind in MIME, inside the page."""
    data = base64.b64encode(content).decode()
    return element("img", src=f"data:{MIME[kind]};base64,{data}", alt=alt, **attributes)


def definitions(rows: Iterable[Tuple[str, str]], **attributes: str) -> Html:
    """Return names and their values, each in a box."""
    boxes = [element("div", element("dt", name), element("dd", value)) for name, value in rows]
    return element("dl", *boxes, **attributes)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, **attributes: str
) -> Html:
    """Return a table of rows, each named by its first cell; numbers are right-aligned."""
    numbers = [any(map(NUMBER.fullmatch, column)) for column in zip(*rows)]
    kinds = [{"class_": "number"} if right else {} for right in numbers]
    columns = [element("th", name, scope="col", **kind) for name, kind in zip(head, kinds)]
    return element(
        "table",
        element("caption", caption, class_="note"),
        element("thead", element("tr", *columns)),
        element("tbody", *(_row(row, kinds) for row in rows)),
        **attributes,
    )


def _row(cells: Sequence[str], kinds: Sequence[Dict[str, str]]) -> Html:
    (name, kind), *rest = zip(cells, kinds)
    others = [element("td", cell, **other) for cell, other in rest]
    return element("tr", element("th", name, scope="row", **kind), *others)


def scrolling(content: Html, label: str) -> Html:
    """Return what may be wider than the page and then scrolls on its own."""
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def page(title: str, subtitle: str, sections: Sequence[Tuple[str, Html]]) -> str:
    """Return a whole page, of titles and what is below them."""
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    links = [element("a", name, href=f"#part{k}") for k, (name, _) in enumerate(sections)]
    nav = [element("nav", *links)] if len(links) > 1 else []
    heading = element("header", element("h1", title), element("p", subtitle), *nav)
    parts = [
        element("section", element("h2", name), content, id=f"part{k}")
        for k, (name, content) in enumerate(sections)
    ]
    body = element("body", heading, element("main", *parts))
    return f"<!DOCTYPE html>\n{element('html', element('head', *head), body, lang='en')}\n"
