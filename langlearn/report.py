"""report/index.html: a run on one page that opens anywhere, offline, for as long as there are browsers."""

import json
import math
import os
import time
from pathlib import Path

from langlearn import prompts, record, runs
from langlearn.measuring import results
from langlearn.measuring.results import METRICS, RANKING, TUNED_RETRIEVAL, Evaluation
from langlearn.page import charts, curves, markup
from langlearn.page.charts import Curve, Line
from langlearn.page.curves import Curves
from langlearn.page.markup import Html, card, element, picture, table, text
from langlearn.search import retrieval_metrics
from langlearn.trainlog import clock


def publish(folder: Path, logs: Path, run: dict, found: Evaluation | None) -> Path:
    """Keep what was measured of the run in `folder`: evaluation.json, its row in logs/runs.csv, the page (returned)."""
    content = None
    if found:
        content = {"run": {"base": run["base_model"]["base"], "finished": run["finished"]}, **found.as_dict()}
        record.write_json(Path(folder) / "evaluation.json", content)
    runs.append(logs, run, content)
    return write(folder, logs)


def write(folder: Path, logs: Path) -> Path:
    """The report of the run in `folder`, from its run.json, its evaluation.json if there is one, and the step log.

    Returns the page's path. A reader sees the old page or the new one.
    """
    folder = Path(folder)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    evaluated = folder / "evaluation.json"
    evaluation = None
    if evaluated.exists():
        content = json.loads(evaluated.read_text(encoding="utf-8"))
        # An adapter trained since would be shown with its predecessor's numbers.
        if content["run"]["finished"] == run["finished"]:
            evaluation = Evaluation.from_dict(content)
    made = page(run, evaluation, curves.read(Path(logs) / "metrics.jsonl", run))
    target = folder / "report" / "index.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name("index.html.partial")
    with beside.open("w", encoding="utf-8") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, target)
    return target


def page(run: dict, evaluation: Evaluation | None, steps: Curves) -> str:
    """The whole page as HTML."""
    base = Path(run["base_model"]["base"]).name
    content = [header(run, base), tiles(run, evaluation), *training(run, steps)]
    if evaluation:
        content += [*columns(evaluation), *effects(evaluation), *retrieval(evaluation)]
    else:
        content += [heading("Base, tuned, with and without retrieval"),
                    card("Not measured yet: ", element("code", "python run_evaluation.py"))]  # fmt: skip
    content += [*diagnostic(run), *outcome(run), *as_row(run, evaluation), *settings(run)]
    content.append(element("footer", element("p", prompts.DISCLAIMER)))
    return markup.page(f"{base}, fine-tuned", content)


def header(run: dict, base: str) -> Html:
    split = run["split"]
    finished = time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(run["finished"]))
    bits = run["quantization"]
    method = {"qlora": "QLoRA", "lora": "LoRA"}.get(run["method"], run["method"])
    layers = f"{bits['linear_layers_found']} of {bits['linear_layers_expected']} linear layers in {bits['bits']} bit"
    return element(
        "header",
        element("h1", f"{base}, fine-tuned"),
        remark(
            f"{split['train']:,} cases of {Path(run['data']['file']).name} trained it, {split['held_out']:,} were held "
            f"out. {method}, {layers}. Finished {finished}."
        ),
    )


def tiles(run: dict, evaluation: Evaluation | None) -> Html:
    """The four numbers to look at first."""
    last = run["evaluation"]
    shown = [(f"{last['before']:.3f} → {last['after']:.3f}", "held-out loss before and after, nats a token")]
    if evaluation and TUNED_RETRIEVAL in evaluation.columns:
        name = _headline(evaluation)
        metric = METRICS[name]
        before, after = (evaluation.columns[c][name].value for c in (results.BASE, TUNED_RETRIEVAL))
        shown.append((f"{metric.text(before)} → {metric.text(after)}", f"{metric.label}: base, then tuned + retrieval"))
    epochs = "1 epoch" if run["epochs"] == 1 else f"{run['epochs']:.3g} epochs"
    shown.append((clock(run["seconds"]), f"{epochs} at {run['tokens_per_second']:,.0f} tokens/s"))
    shown.append((_gibibytes(run["peak_memory_bytes"]), "peak memory"))
    return element("div", *(card(element("b", value), quietly(label)) for value, label in shown), class_="tiles")


def training(run: dict, found: Curves) -> list[Html]:
    steps, history = found.steps, found.evaluations
    at = [s["step"] for s in steps]
    lines = [Line(at, [s["loss"] for s in steps], "training")] if steps else []
    if history:
        lines.append(Line([e["step"] for e in history], [e["loss"] for e in history], "held out", points=True))
    drawn = []
    if lines:
        drawn.append(("Loss", "nats a token of the answer", Curve("loss", lines, smooth=bool(steps))))
    if steps:
        # A step that overflowed in 16 bits was not taken: it has no gradient norm.
        norms = [(s["step"], s["grad_norm"]) for s in steps if math.isfinite(s["grad_norm"])]
        line = Line([step for step, _ in norms], [norm for _, norm in norms])
        drawn.append(("Gradient norm ‖∇‖", "before clipping", Curve("norm", [line], True, from_zero=True)))
        rates = [s["learning_rate"] for s in steps]
        drawn.append(("Learning rate η", "", Curve("rate", [Line(at, rates)], from_zero=True)))
    if not drawn:
        return []
    pictures = [
        picture(charts.curve(chart), element("span", f"{title} ", quietly(unit)), f"{title} by step")
        for title, unit, chart in drawn
    ]
    content = [heading("Training"), element("div", *pictures, class_="grid")]
    if not steps:
        content.append(remark("The step log of this run is not in logs/metrics.jsonl."))
    return content


def columns(evaluation: Evaluation) -> list[Html]:
    about = evaluation.about
    names = list(evaluation.columns)
    rows = []
    for metric, measures in results.rows_of(evaluation):
        values = {c: m.value for c, m in measures.items() if m.n and m.value is not None}
        best = (max if metric.better > 0 else min)(values.values()) if len(set(values.values())) > 1 else None
        counts = sorted({m.n for m in measures.values() if m.n})
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        cells = []
        for column in names:
            if column not in values:
                cells.append("–")
                continue
            value = element("span", metric.text(values[column]), class_="best" if values[column] == best else "")
            cells.append(Html(value + element("small", metric.interval(measures[column]))))
        rows.append([Html(text(metric.label) + element("small", f"{metric.meaning}; n {n}", class_="wrap")), *cells])
    key = _headline(evaluation)
    pictures = [_bars(evaluation, name) for name in dict.fromkeys((key, "loss"))]
    cases = f"{about['evaluated']:,} of {about['held_out']:,} held-out cases"
    return [
        heading("Base, tuned, with and without retrieval"),
        remark(f"{cases}, none of which retrieval could bring. Below each value its 95 % interval."),
        element("div", *pictures, class_="grid"),
        card(table(["", *names], rows)),
        *map(remark, evaluation.notes),
    ]


def effects(evaluation: Evaluation) -> list[Html]:
    """What fine-tuning and retrieval changed, each case against itself."""
    if not evaluation.effects:
        return []
    names = list(dict.fromkeys(name for row in evaluation.effects.values() for name in row))
    rows = []
    for effect, differences in evaluation.effects.items():
        cells = []
        for name in names:
            metric, difference = METRICS[name], differences.get(name)
            if difference is None or difference.value is None:
                cells.append("–")
                continue
            says = results.verdict(metric, difference)
            value = element("span", f"{metric.text(difference.value, True)} {says}", class_=says)
            cells.append(Html(value + element("small", metric.interval(difference, True))))
        rows.append([effect, *cells])
    return [
        heading("What changed"),
        remark("The same cases with and without; unclear where the interval holds 0."),
        card(table(["", *(METRICS[name].label for name in names)], rows)),
    ]  # fmt: skip


def retrieval(evaluation: Evaluation) -> list[Html]:
    if not evaluation.retrieval:
        return []
    rows = []
    for mode, measures in evaluation.retrieval.items():
        shown = [measures[name] for name in retrieval_metrics.METRICS]
        rows.append([mode, *(Html(text(RANKING.text(m.value)) + element("small", RANKING.interval(m))) for m in shown)])
    n = max(m.n for row in evaluation.retrieval.values() for m in row.values())
    return [
        heading("Retrieval"),
        remark(f"Training cases ranked for {n:,} held-out questions; relevant are those of the same condition."),
        card(table(["", *retrieval_metrics.METRICS], rows)),
    ]  # fmt: skip


def diagnostic(run: dict) -> list[Html]:
    asked = [
        card(
            element("h3", each["question"]),
            element(
                "div",
                *(
                    element("div", quietly(side), element("p", each[side] or "(no answer)", class_=f"answer {side}"))
                    for side in ("before", "after")
                ),
                class_="pair",
            ),
        )
        for each in run["diagnostic"]
    ]  # fmt: skip
    return [heading("Asked before and after"), *asked] if asked else []


def outcome(run: dict) -> list[Html]:
    """What the plan said beside what came of it."""
    plan, rows = run["plan"], []
    for label, predicted, measured, written in (
        ("peak memory", plan.get("predicted_peak_bytes"), run["peak_memory_bytes"], _gibibytes),
        ("time", plan.get("predicted_seconds"), run["seconds"], clock),
        ("tokens/s", plan.get("predicted_tokens_per_second"), run["tokens_per_second"], "{:,.0f}".format),
    ):
        if predicted:
            off = measured / predicted - 1
            rows.append([label, written(predicted), written(measured), f"{100 * off:+.0f} %"])
    if not rows:
        return []
    return [heading("Prediction and outcome"), card(table(["", "predicted", "measured", "difference"], rows))]


def as_row(run: dict, evaluation: Evaluation | None) -> list[Html]:
    """The run as one row of the table that runs have always been compared in."""
    mine = runs.row(run, evaluation.as_dict() if evaluation else None)
    mine["seconds"] = f"{clock(run['seconds'])} ({run['seconds']:,.2f} s)"
    names = ["split", "batch", "epochs", "tokeniser", "seconds", "loss", "grad_norm", "learning_rate"]
    return [
        heading("The run in one row"),
        card(table([runs.COLUMNS[name] for name in names], [[mine[name] for name in names]])),
        remark("All runs side by side: ", element("code", "python run_evaluation.py --compare")),
    ]


def settings(run: dict) -> list[Html]:
    def flat(tree: dict, prefix: str = "") -> list[tuple[str, str]]:
        found = []
        for name, value in tree.items():
            inner = flat(value, f"{prefix}{name}.") if isinstance(value, dict) else None
            found += inner if inner is not None else [(prefix + name, json.dumps(value, ensure_ascii=False))]
        return found

    parts = {
        "Settings": run["config"],
        "Base model and data": {name: run[name] for name in ("base_model", "data", "split")},
        "Hardware": run["hardware"],
        "Plan": run["plan"],
        "Versions": run["versions"],
    }
    tables = {title: table([], flat(tree), words=True) for title, tree in parts.items()}
    return [
        heading("As it was run"),
        *(card(element("details", element("summary", title), content)) for title, content in tables.items()),
    ]


def heading(words: str) -> Html:
    return element("h2", words)


def remark(*words: object) -> Html:
    return element("p", *words, class_="quiet")


def quietly(words: str) -> Html:
    return element("span", words, class_="quiet")


def _bars(evaluation: Evaluation, name: str) -> Html:
    metric = METRICS[name]
    values = [
        (column, m.value, m.low, m.high)
        for column, row in evaluation.columns.items()
        if (m := row.get(name)) is not None and m.n
    ]
    good = "more is better" if metric.better > 0 else "less is better"
    spoken = ", ".join(f"{column} {metric.text(value)}" for column, value, _, _ in values)
    title = element("span", f"{metric.label} ", quietly(good))
    return picture(charts.bars(values, metric.percent, metric.better), title, f"{metric.label}: {spoken}")


def _headline(evaluation: Evaluation) -> str:
    """What tells most about the answers: the condition named, or without labels the likeness to the reference."""
    return "condition" if any(row["condition"].n for row in evaluation.columns.values()) else "rouge_l"


def _gibibytes(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"
