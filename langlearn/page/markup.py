"""HTML in one file that needs nothing else: every text escaped, every picture inlined, no script, no address.

The policy in its head makes the browser hold us to that.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from langlearn.clinical.untrusted import strip_terminal

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { --ink: #1f2933; --quiet: #66727f; --line: #e4e7eb; --blue: #2264b0; --good: #18794e; --bad: #b42318; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 36px 0 10px; }
h3 { font-size: .95rem; margin: 0 0 4px; }
p { margin: 0 0 10px; max-width: 75ch; }
.quiet, caption, figcaption, footer { color: var(--quiet); font-size: .88rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 16px; }
section + section { margin-top: 12px; }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); }
.grid > *, .tiles > * { margin: 0; min-width: 0; }
.grid + section { margin-top: 12px; }
.tiles { display: grid; gap: 12px; margin: 20px 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 215px), 1fr)); }
.tiles b { display: block; font-size: 1.45rem; line-height: 1.25; font-weight: 650; }
figure { margin: 0; }
figure img { display: block; width: 100%; max-width: 520px; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; text-align: right; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--quiet); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 500; }
th:last-child, td:last-child { padding-right: 0; }
td small, th small { display: block; color: var(--quiet); font-weight: 400; white-space: nowrap; }
th small.wrap { white-space: normal; min-width: 130px; max-width: 300px; }
.words td, .words th { text-align: left; }
.best { font-weight: 700; }
.better { color: var(--good); } .worse { color: var(--bad); } .unclear { color: var(--quiet); }
.pair { display: grid; gap: 12px 24px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.answer { white-space: pre-wrap; margin: 0; border-left: 3px solid var(--line); padding-left: 12px; }
.after { border-color: var(--blue); }
summary { cursor: pointer; font-weight: 600; }
footer { margin-top: 40px; }
@media (max-width: 640px) {
  table:not(.words) thead { position: absolute; clip-path: inset(50%); }
  table:not(.words) tr { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; padding: 10px 0;
    border-top: 1px solid var(--line); }
  table:not(.words) tr:first-child { border-top: 0; }
  table:not(.words) :is(th, td) { border: 0; padding: 0; text-align: left; }
  table:not(.words) th { grid-column: 1 / -1; font-weight: 600; }
  table:not(.words) td::before { content: attr(data-label); display: block; color: var(--quiet); font-size: .82rem; }
  table.words :is(th, td) { display: block; padding: 2px 0; }
  table.words td { border: 0; padding-bottom: 8px; }
}
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


class Html(str):
    """Text that is markup already; any other text is escaped where it is placed."""


def text(value: object) -> Html:
    """`value` as it reads, harmless: escaped, without control characters."""
    return value if isinstance(value, Html) else Html(escape(strip_terminal(str(value)), quote=True))


def element(tag: str, *content: object, **attributes: str) -> Html:
    """<tag attribute="…">content</tag>; `class_` is class, `data_label` is data-label."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value}
    named = "".join(f' {name}="{escape(value, quote=True)}"' for name, value in names.items())
    return Html(f"<{tag}{named}>{''.join(map(text, content))}</{tag}>")


def page(title: str, content: Iterable[Html]) -> str:
    body = "\n".join(content)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def card(*content: object) -> Html:
    return element("section", *content, class_="card")


def table(headings: Sequence[object], rows: Iterable[Sequence[object]], words: bool = False) -> Html:
    """Headings above rows whose first cell names them. On a narrow screen each row becomes a block of its own, every
    value beside its heading. `words` aligns every cell left."""
    head = element("thead", element("tr", *(element("th", h, scope="col") for h in headings)))
    body = [
        element("tr", element("th", first, scope="row"),
                *(element("td", cell, data_label=str(h)) for h, cell in zip([*headings[1:], *[""] * len(rest)], rest)))
        for first, *rest in rows
    ]  # fmt: skip
    parts = [head] if any(headings) else []
    return element("table", *parts, element("tbody", *body), class_="words" if words else "")


def picture(svg: str, title: str, alternative: str) -> Html:
    """An SVG as an image of its own, so that its names and styles cannot meet the page's."""
    data = base64.b64encode(svg.encode()).decode()
    image = Html(f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alternative, quote=True)}">')
    return card(element("h3", title), element("figure", image))

