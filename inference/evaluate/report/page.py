"""The page: HTML with its style, plots and pictures inside."""

import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import torch
from PIL import Image

from probbody.data.files import written_whole

from ..measured import MEASURES, Measured
from ..results import Results
from ..tables import Table
from .gallery import Shown
from .plots import Line, bars, lines

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; font-size: 12px } .wide { overflow-x: auto }
th, td { padding: 3px 7px; text-align: right; border-bottom: 1px solid #e5e5e5; white-space: nowrap }
th[colspan] { text-align: center }
th:first-child, td:first-child { text-align: left } td.best { font-weight: bold }
img { max-width: 100%; border: 1px solid #ddd } figure { margin: 1em 0 } figcaption { color: #555; font-size: 13px }
svg { max-width: 760px; width: 100% } code { background: #f3f3f3; padding: 0 3px } dl { display: grid;
grid-template-columns: max-content auto; gap: 2px 14px; font-size: 13px } dd { margin: 0; overflow-wrap: anywhere }
details { margin: 0.8em 0 }
"""
_BINS = (0.0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.55, 0.8)


def write_page(
    path: Path,
    tables: Sequence[Table],
    answers: Mapping[tuple[str, str], Measured],
    joint_names: Sequence[str],
    gallery: Sequence[Shown] = (),
    words: str = "",
) -> None:
    """One HTML file; ``answers`` are by names of method and condition, ``words`` what a reader must know of the pictures."""
    results = tables[0].results
    parts = [f"<h1>{escape(tables[0].title)}</h1>", _protocol(results), f"<p>{escape(words)}</p>" if words else ""]
    parts += [_table(table) + _paired(table) for table in tables]
    parts.append(_everything(results))
    parts.append(_by_occlusion(answers))
    parts += [_by_joint(results, condition, joint_names) for condition in tables[0].conditions]
    if gallery:
        parts.append("<h2>Best and worst</h2>" + "".join(_figure(shown) for shown in gallery))
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    title = f"<title>{escape(tables[0].title)}</title><style>{_STYLE}</style></head>"
    with written_whole(path) as temporary:
        temporary.write_text(f"{head}{title}<body>{''.join(parts)}</body></html>\n", encoding="utf-8")


def _protocol(results: Results) -> str:
    """What was measured on, and with what."""
    card = {**results.protocol, **results.versions}
    rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(_plain(value))}</dd>" for name, value in card.items())
    said = f"<p>Protocol <code>{escape(str(results.protocol['hash']))}</code></p>"
    return f"{said}<details><summary>Card</summary><dl>{rows}</dl></details>"


def _plain(value: object) -> str:
    """A value of a card in words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_plain(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "nothing"
    return str(value)


def _table(table: Table) -> str:
    """The published measures, the best of each column in bold."""
    head, *rows = table.rows()
    best = _best(table)
    span = len(table.measures)
    over = "".join(f'<th colspan="{span}">{escape(name)}</th>' for name in table.conditions)
    names = [measure.name for _ in table.conditions for measure in table.measures]
    under = "".join(f"<th>{escape(word)}</th>" for word in ["", *names, head[-1]])
    lines_ = [f"<tr><th></th>{over}<th></th></tr>", f"<tr>{under}</tr>"]
    for row in rows:
        cells = [f"<td>{escape(row[0])}</td>"]
        cells += [
            f'<td class="best">{escape(word)}</td>' if row[0] == best.get(column) else f"<td>{escape(word)}</td>"
            for column, word in enumerate(row[1:])
        ]
        lines_.append("<tr>" + "".join(cells) + "</tr>")
    star = (
        f" * differs from {table.against} on the same pictures (paired bootstrap, 95 in 100)." if table.against else ""
    )
    note = f"<p>± is half of a 95 % interval.{escape(star)}</p>"
    return f'<h2>{escape(table.title)}</h2>{note}<div class="wide"><table>{"".join(lines_)}</table></div>'


def _paired(table: Table) -> str:
    """How far each method is from the one that all are compared with, with bounds."""
    rows = table.paired()
    if not rows:
        return ""
    cells = ["".join(f"<td>{escape(word)}</td>" for word in row) for row in rows]
    head = "".join(f"<th>{escape(word)}</th>" for word in rows[0])
    lines_ = [f"<tr>{head}</tr>", *(f"<tr>{row}</tr>" for row in cells[1:])]
    title = f"Differences from {table.against} on the same pictures, with 95 % intervals"
    return (
        f'<details><summary>{escape(title)}</summary><div class="wide"><table>{"".join(lines_)}</table></div></details>'
    )


def _best(table: Table) -> dict[int, str]:
    """The best method of each column."""
    found, column = {}, 0
    for condition in table.conditions:
        for measure in table.measures:
            held = {
                m: r.means[measure.name].value()
                for m in table.methods
                if (r := table.results.find(m, condition)) and measure.name in r.means
            }
            if len(held) > 1:
                found[column] = (min if measure.less_is_better else max)(held, key=lambda name: held[name])
            column += 1
    return found


def _everything(results: Results) -> str:
    """All measures with their intervals."""
    rows = []
    for one in results.results:
        for measure in MEASURES:
            if measure.name in one.means:
                bounds, value = one.interval(measure.name), one.means[measure.name].value()
                ends = "" if bounds is None else f"{bounds.low:.{measure.digits}f} to {bounds.high:.{measure.digits}f}"
                told = (one.condition, one.method, measure.name, f"{value:.{measure.digits}f} {measure.unit}", ends)
                rows.append("<tr>" + "".join(f"<td>{escape(word)}</td>" for word in told) + "</tr>")
    head = "<tr><th>condition</th><th>method</th><th>measure</th><th>value</th><th>95 in 100</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>"
    return f"<h2>Every measure</h2><details><summary>{len(rows)} numbers</summary>{table}</details>"


def _by_occlusion(answers: Mapping[tuple[str, str], Measured]) -> str:
    """The mean error of all joints against how much of the person is hidden, all conditions together."""
    methods = list(dict.fromkeys(name for name, _ in answers))
    drawn = []
    for method in methods:
        held = [each for (name, _), each in answers.items() if name == method]
        covered = torch.cat([each.covered for each in held])
        errors = torch.cat([each.rooted().of_images() for each in held])
        points = []
        for low, high in itertools.pairwise(_BINS):
            inside = (covered >= low) & (covered < high)
            if int(inside.sum()) >= 4:
                points.append((float(covered[inside].mean()), float(errors[inside].mean())))
        drawn.append(Line(method, tuple(points)))
    plot = lines(drawn, "share of the person that is hidden", "MPJPE of all joints, mm")
    return (
        f"<h2>Error against occlusion</h2><p>Seen and hidden joints, all conditions together.</p>{plot}" if plot else ""
    )


def _by_joint(results: Results, condition: str, names: Sequence[str]) -> str:
    held = [one for one in results.results if one.condition == condition]
    drawn = [Line(one.method, tuple((float(n), value) for n, value in enumerate(one.joints))[1:]) for one in held]
    plot = bars([name.replace("_", " ") for name in names[1 : len(held[0].joints)]], drawn, "mm") if held else ""
    return f"<h2>Error of each joint: {escape(condition)}</h2>{plot}" if plot else ""


def _figure(shown: Shown) -> str:
    return f"<figure>{_inline(shown.sheet)}<figcaption>{escape(shown.words)}</figcaption></figure>"


def _inline(picture: Image.Image) -> str:
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}">'
