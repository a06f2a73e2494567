"""logs/runs.csv: one row a finished run, so that runs can be compared weeks later."""

import contextlib
import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from langlearn.config import ROOT
from langlearn.errors import UserError
from langlearn.trainlog import clock

NAME = "runs.csv"
# Column → (heading, how a person reads its value).
COLUMNS = {
    "finished": "finished (UTC)",
    "base": "base model",
    "method": "method",
    "data": "data",
    "split": "split",
    "batch": "T/E/S",
    "epochs": "epochs",
    "tokeniser": "tokenisation",
    "seconds": "time",
    "loss": "train loss",
    "grad_norm": "‖∇‖",
    "learning_rate": "η",
    "held_out_before": "held-out loss before",
    "held_out_after": "held-out loss after",
    "adapter": "LoRA r/alpha",
    "peak_learning_rate": "peak η",
    "retrieval_share": "retrieval share",
    "steps": "steps",
    "tokens_per_second": "tokens/s",
    "peak_memory_gib": "peak memory GiB",
    "condition": "names the condition",
    "rouge_l": "ROUGE-L",
}


def row(run: dict, evaluation: dict | None = None) -> dict[str, str]:
    """The run's row: from run.json and, once it was evaluated, the tuned + retrieval column of evaluation.json."""
    config, split, evaluated = run["config"], run["split"], run["evaluation"]
    train = round(100 * split["train_share"])
    values = {
        "finished": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(run["finished"])),
        "base": run["base_model"]["base"],
        "method": f"{run['method']} {run['quantization']['bits']}-bit",
        "data": run["data"]["file"],
        "split": f"{train}/{100 - train}",
        "batch": batch(run["batch"]),
        "epochs": f"{run['epochs']:.4g}",
        # A tokenizer always comes with its base model: from a folder, or from what the hub sent once.
        "tokeniser": "local" if (ROOT / run["base_model"]["base"]).is_dir() else "from the hub",
        "seconds": f"{run['seconds']:.1f}",
        "loss": f"{run['final']['loss']:.6f}",
        "grad_norm": f"{run['final']['grad_norm']:.3f}",
        "learning_rate": f"{run['final']['learning_rate']:.2e}",
        "held_out_before": f"{evaluated['before']:.4f}",
        "held_out_after": f"{evaluated['after']:.4f}",
        "adapter": f"{config['adapter']['r']}/{config['adapter']['alpha']}",
        "peak_learning_rate": f"{config['training']['learning_rate']:.2e}",
        "retrieval_share": f"{config['training']['retrieval_share']:g}",
        "steps": str(run["steps"]),
        "tokens_per_second": f"{run['tokens_per_second']:.0f}",
        "peak_memory_gib": f"{run['peak_memory_bytes'] / 2**30:.2f}",
    }
    columns = (evaluation or {}).get("columns", {})
    best = columns.get("tuned + retrieval") or columns.get("tuned") or {}
    for name in ("condition", "rouge_l"):
        measured = best.get(name, {}).get("value")
        values[name] = "" if measured is None else f"{measured:.3f}"
    return values


def batch(sizes: dict) -> str:
    """1/1/4; where a token budget decides, how many cases a step has."""
    if sizes.get("T"):
        return "/".join(str(sizes.get(name) or "–") for name in "TES")
    return f"{sizes['cases_per_step']} a step" if sizes.get("cases_per_step") else "–"


def append(folder: Path, run: dict, evaluation: dict | None = None) -> Path:
    """Write the run's row to folder/runs.csv, in place of an earlier row of the same run. Returns the file."""
    path = Path(folder) / NAME
    mine = row(run, evaluation)
    # A row written by an older or newer version keeps the columns that this one does not know.
    rows = read(path) if path.exists() else []
    same = [each for each in rows if _key(each) == _key(mine)]
    if same:
        kept = {name: value for name, value in mine.items() if value or not same[-1].get(name)}
        rows = [{**each, **kept} if each is same[-1] else each for each in rows]
    else:
        rows.append(mine)
    names = list(dict.fromkeys([*COLUMNS, *(name for each in rows for name in each)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The rows, oldest first. Raises UserError where there is no such file or it is not the table we wrote."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{k: v or "" for k, v in each.items() if k} for each in csv.DictReader(file, strict=True)]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist yet: medical_diagnosis_gpu.py adds a row a run") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}): mend it, or move it away to start a new one") from None
    if any("finished" not in each for each in rows):
        raise UserError(f"{path} has no column 'finished': mend its header, or move it away to start a new one")
    return rows


def side_by_side(rows: Sequence[dict[str, str]], width: int = 80) -> Table:
    """The newest runs that fit, a column each, newest last; a heading in bold where the runs differ."""
    shown = list(rows[-max(1, (width - 22) // 19) :])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", style="dim", max_width=20)
    for number, _ in enumerate(shown, start=len(rows) - len(shown) + 1):
        table.add_column(f"run {number}", justify="right", overflow="fold")
    for name in list(dict.fromkeys([*COLUMNS, *(name for each in shown for name in each)])):
        values = [each.get(name, "") for each in shown]
        if any(values):
            differs = len(set(values)) > 1
            heading = COLUMNS.get(name, name)
            table.add_row(
                f"[bold not dim]{heading}[/]" if differs else heading, *(_shown(name, value) for value in values)
            )
    if len(shown) < len(rows):
        table.caption = f"the newest {len(shown)} of {len(rows)} runs; a wider terminal shows more"
    return table


def _key(values: dict[str, str]) -> tuple[str, ...]:
    return tuple(values.get(name, "") for name in ("finished", "base", "seconds"))


def _shown(name: str, value: str) -> str:
    if name == "seconds":
        with contextlib.suppress(ValueError):
            value = clock(float(value))
    if name == "finished":
        value = value[:16]  # to the minute
    return escape(value) if value else "–"
