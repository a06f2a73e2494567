"""Curves and bars as SVG text, drawn without a display, the same bytes for the same numbers."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, QUIET, GRID = "#1f2933", "#66727f", "#e4e7eb"
BLUE, ORANGE, GREY = "#2264b0", "#d9730d", "#b8c4d0"
# 5 inches at 72 dpi are 360 px: on a phone the text keeps the size it was drawn in.
_SIZE = (5.0, 2.7)
_STYLE = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9.5,
    "text.color": INK, "axes.labelcolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET,
    "axes.edgecolor": GREY, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": GRID, "axes.axisbelow": True,
    "svg.hashsalt": "lang-learn", "svg.fonttype": "path", "path.simplify": True,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    points: bool = False


@dataclass(frozen=True)
class Curve:
    """One chart of steps. `smooth` lays a running mean over the first line, which is then drawn faintly."""

    title: str
    lines: list[Line] = field(default_factory=list)
    smooth: bool = False
    from_zero: bool = False


def curve(chart: Curve) -> str:
    """The chart as SVG."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(_SIZE)
        for number, line in enumerate(chart.lines):
            if line.points:
                axes.plot(line.x, line.y, "o-", color=ORANGE, markersize=4, linewidth=1.4, label=line.label)
            elif number == 0 and chart.smooth and len(line.y) >= 20:
                axes.plot(line.x, line.y, color=BLUE, alpha=0.25, linewidth=1)
                axes.plot(line.x, running_mean(line.y, len(line.y) // 20), color=BLUE, linewidth=1.8, label=line.label)
            else:
                style = "o" if len(line.y) == 1 else "-"
                axes.plot(line.x, line.y, style, color=BLUE, linewidth=1.8, label=line.label)
        if chart.from_zero:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.ticklabel_format(axis="y", scilimits=(-3, 4), useMathText=True)
        axes.set_xlabel("optimiser step")
        if sum(bool(line.label) for line in chart.lines) > 1:
            axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        return _svg(figure)


def bars(values: Sequence[tuple[str, float | None, float | None, float | None]], percent: bool, better: int = 1) -> str:
    """Horizontal bars of (label, value, low, high) with their intervals, as SVG; the best one is blue.

    `better` is +1 where more is better, -1 where less is. None is drawn as a dash.
    """
    with matplotlib.rc_context({**_STYLE, "axes.grid": False}):
        figure, axes = _figure((_SIZE[0], 0.65 + 0.42 * len(values)))
        heights = [v or 0.0 for _, v, _, _ in values]
        best = (max if better > 0 else min)(v for _, v, _, _ in values if v is not None)
        reach = 1.0 if percent else max([h for _, _, _, h in values if h is not None] + heights) or 1.0
        colours = [BLUE if v == best else GREY for _, v, _, _ in values]
        axes.barh(range(len(values)), heights, color=colours, height=0.62)
        for row, (_, value, low, high) in enumerate(values):
            if value is not None and low is not None and high is not None:
                axes.plot([low, high], [row, row], color=INK, linewidth=1.2)
            text = "–" if value is None else f"{value:.0%}" if percent else f"{value:.3f}"
            axes.text(max(value or 0, high or 0) + reach * 0.025, row, text, va="center", color=INK)
        axes.set_yticks(range(len(values)), [label for label, *_ in values])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_xlim(0, reach * 1.14)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        if percent:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}" if v <= 1 else ""))
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        return _svg(figure)


def running_mean(values: Sequence[float], width: int) -> list[float]:
    """Each value averaged with up to `width` neighbours on each side: the ends lean on fewer."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    averaged = []
    for i in range(len(values)):
        start, end = max(0, i - width), min(len(values), i + width + 1)
        averaged.append((sums[end] - sums[start]) / (end - start))
    return averaged


def _figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return target.getvalue()
