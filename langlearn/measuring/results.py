"""What an evaluation measured: four columns, the differences between them, and how retrieval ranked.

    base               the model as it came             tuned               with the adapter
    base + retrieval   … below retrieved cases          tuned + retrieval   … below retrieved cases
"""

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from langlearn.measuring.measures import Measure
from langlearn.search import retrieval_metrics

BASE, TUNED = "base", "tuned"
BASE_RETRIEVAL, TUNED_RETRIEVAL = "base + retrieval", "tuned + retrieval"
COLUMNS = (BASE, TUNED, BASE_RETRIEVAL, TUNED_RETRIEVAL)
# What changes from the first column to the second.
EFFECTS = {
    "fine-tuning": (BASE, TUNED),
    "… with retrieval": (BASE_RETRIEVAL, TUNED_RETRIEVAL),
    "retrieval": (BASE, BASE_RETRIEVAL),
    "… when fine-tuned": (TUNED, TUNED_RETRIEVAL),
}


@dataclass(frozen=True)
class Metric:
    """How a number is called, written and read. `better` is +1 where more is better, -1 where less is."""

    label: str
    better: int
    percent: bool
    meaning: str
    digits: int = 3

    def text(self, value: float | None, signed: bool = False) -> str:
        if value is None:
            return "–"
        sign = "+" if signed else ""
        if self.percent:
            return f"{100 * value:{sign}.0f} %"
        return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.{self.digits}f}"

    def interval(self, measure: Measure, signed: bool = False) -> str:
        if measure.low is None or measure.high is None:
            return ""
        low, high = (self.text(end, signed).removesuffix(" %") for end in (measure.low, measure.high))
        return f"{low} to {high}" if signed else f"{low}–{high}"


METRICS = {
    "loss": Metric("loss on the answer", -1, False, "nats a token of the reference answer"),
    "perplexity": Metric("perplexity", -1, False, "e to the loss: how many tokens it hesitates between", 1),
    "rouge_l": Metric("ROUGE-L", +1, False, "longest common subsequence with the reference answer, F1"),
    "similarity": Metric("embedding similarity", +1, False, "cosine of answer and reference answer"),
    "condition": Metric("names the condition", +1, True, "the answer holds the labelled condition or a synonym"),
    "condition_retrieved": Metric(
        "… where retrieved", +1, True, "the same, for cases where retrieval brought one of that condition"
    ),
    "stopped": Metric("stops by itself", +1, True, "ends before the length limit"),
    "supported": Metric("supported sentences", +1, True, "sentences of the answer that the retrieved cases bear out"),
    "citations": Metric("citations that hold", +1, True, "citations whose case bears out their sentence"),
    "cited_condition": Metric("right case cited", +1, True, "citations whose case has the labelled condition"),
    "false_answers": Metric("false answers", -1, True, "out-of-scope questions that got an answer"),
    "false_refusals": Metric("false refusals", -1, True, "medical questions that got none"),
}
RANKING = Metric("", +1, False, "")  # how every metric of a ranking is written


@dataclass(frozen=True)
class Evaluation:
    """columns[column][metric], effects[effect][metric] (second column minus first), retrieval[mode][metric].

    `cases` tells for each evaluated case its id and row, and what each column made of it: no text of it.
    """

    columns: dict[str, dict[str, Measure]]
    effects: dict[str, dict[str, Measure]]
    retrieval: dict[str, dict[str, Measure]]
    about: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Evaluation":
        """The inverse of `as_dict`. Raises KeyError or TypeError where `content` is not one."""

        def tables(name: str) -> dict[str, dict[str, Measure]]:
            return {
                row: {metric: Measure(**measure) for metric, measure in measures.items()}
                for row, measures in content[name].items()
            }

        numbers = (tables(name) for name in ("columns", "effects", "retrieval"))
        return cls(*numbers, content["about"], content["notes"], content["cases"])


def verdict(metric: Metric, difference: Measure) -> str:
    """better, worse or unclear: what the 95 % interval of a difference leaves open."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "unclear"
    return "better" if (difference.low > 0) == (metric.better > 0) else "worse"


def rows_of(evaluation: Evaluation) -> Iterator[tuple[Metric, dict[str, Measure]]]:
    """(metric, column → measure) of the metrics that could be measured at all."""
    for name, metric in METRICS.items():
        row = {column: measures[name] for column, measures in evaluation.columns.items() if name in measures}
        if any(measure.n for measure in row.values()):
            yield metric, row


def print_tables(evaluation: Evaluation, console: Console) -> None:
    """The columns, what fine-tuning and retrieval changed, and how retrieval ranked: 80 columns wide."""
    tables = [_columns_table(evaluation), _effects_table(evaluation)]
    if evaluation.retrieval:
        tables.append(_retrieval_table(evaluation))
    for table in tables:
        console.print(table)
        console.print()
    for note in evaluation.notes:
        console.print(note, style="dim", markup=False, highlight=False)


def as_text(evaluation: Evaluation) -> str:
    """The tables as plain text, 80 columns wide."""
    console = Console(file=io.StringIO(), width=80, color_system=None, highlight=False)
    print_tables(evaluation, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1))
    table.add_column("")
    return table


def _columns_table(evaluation: Evaluation) -> Table:
    about = evaluation.about
    table = _table(f"{about['evaluated']} of {about['held_out']} held-out cases, value and 95 % interval")
    for column in evaluation.columns:
        table.add_column(column.replace(" + ", " +\n"), justify="right")
    for metric, row in rows_of(evaluation):
        counts = {m.n for m in row.values() if m.n}
        several = "" if len(counts) == 1 else f"{min(counts)}–"
        cells = [
            f"{metric.text(m.value)}\n[dim]{metric.interval(m)}[/]" if (m := row.get(c)) and m.n else "–"
            for c in evaluation.columns
        ]
        table.add_row(f"{metric.label}\n[dim]n {several}{max(counts)}[/]", *cells)
    return table


def _effects_table(evaluation: Evaluation) -> Table:
    table = _table("what changed")
    for heading, side in (("", "left"), ("change", "right"), ("95 % interval", "right"), ("", "left")):
        table.add_column(heading, justify=side)
    colours = {"better": "green", "worse": "red", "unclear": "dim"}
    for effect, differences in evaluation.effects.items():
        for number, (name, difference) in enumerate(differences.items()):
            metric = METRICS[name]
            says = verdict(metric, difference)
            table.add_row(
                "" if number else effect, metric.label, metric.text(difference.value, signed=True),
                metric.interval(difference, signed=True), f"[{colours[says]}]{says}[/]",
            )  # fmt: skip
    return table


def _retrieval_table(evaluation: Evaluation) -> Table:
    table = _table("how retrieval ranked the training cases")
    for name in retrieval_metrics.METRICS:
        table.add_column(name, justify="right")
    for mode, measures in evaluation.retrieval.items():
        row = [measures[name] for name in retrieval_metrics.METRICS]
        table.add_row(mode, *(f"{RANKING.text(m.value)}\n[dim]{RANKING.interval(m)}[/]" for m in row))
    return table
