"""Measure what fine-tuning and retrieval brought, on the cases that training never saw.

    python run_evaluation.py                base, tuned, base + retrieval, tuned + retrieval; and the report
    python run_evaluation.py --limit 20     only the first 20 held-out cases
    python run_evaluation.py --json         one JSON object instead of tables
    python run_evaluation.py --compare      all runs so far, side by side

The numbers land in finetuned_falcon/evaluation.json, the page in finetuned_falcon/report/index.html.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from langlearn import errors
from langlearn.errors import UserError


@dataclass
class Options:
    """this evaluation"""

    limit: int | None = None
    """Evaluate so many held-out cases at most."""
    json: bool = False
    """Print one JSON object instead of tables."""
    compare: bool = False
    """Print the runs in logs/runs.csv side by side, and stop."""


def main(argv: list[str]) -> None:
    from langlearn import config, runs
    from langlearn.terminal import quiet

    quiet.libraries()
    settings, options = config.load(argv, Options, prog="run_evaluation.py")
    folder, logs = Path(settings.training.output), Path(settings.logs.folder)
    if options.compare:
        compare(runs.read(logs / runs.NAME), options.json)
        return
    if options.limit is not None and options.limit < 1:
        raise UserError(f"--limit is {options.limit}: it must be 1 or more")

    from langlearn import cases, evaluation
    from langlearn.measuring import results
    from langlearn.terminal import display

    corpus = cases.read(settings.data)
    with display.progress_bar() as progress:
        run, found = evaluation.evaluate_run(settings, corpus, progress, options.limit)

    from langlearn import report  # draws, and so loads a plotting library that nothing above needs

    page = report.publish(folder, logs, run, found)
    if options.json:
        print((folder / "evaluation.json").read_text(encoding="utf-8"), end="")
        return
    results.print_tables(found, console())
    print(f"\nreport: {page}")


def compare(rows: list[dict[str, str]], as_json: bool) -> None:
    """The runs so far, side by side."""
    from langlearn import runs

    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    screen = console()
    screen.print(runs.side_by_side(rows, screen.width))


def console():
    """80 columns where the output is no terminal."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 80)


if __name__ == "__main__":
    errors.run(main, resumes=False)
