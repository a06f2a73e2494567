"""The steps and evaluations of one run, out of a logs/metrics.jsonl to which every run and resume appended."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Curves:
    """Records in the order of their step: `steps` with loss, grad_norm and learning_rate, `evaluations` with loss."""

    steps: list[dict] = field(default_factory=list)
    evaluations: list[dict] = field(default_factory=list)


def read(path: Path, run: dict) -> Curves:
    """What belongs to `run`. A step that a resume repeated counts as it was last taken; a damaged line is passed over.

    Evaluations are run.json's own where it has them, so that a lost log costs the step curves only.
    """
    steps: list[dict] = []
    for record in _records(path):
        if record.get("kind") != "step" or record.get("time", 0) > run["finished"] + 1:
            continue  # a later run wrote it
        number = record["step"]
        while steps and steps[-1]["step"] >= number:
            steps.pop()  # a killed run left steps that the resume took again, or an earlier run ended here
        steps.append(record)
    if steps and steps[-1]["step"] != run["steps"]:
        steps = []  # another run's: the log of this one is gone
    return Curves(steps, list(run["evaluation"].get("history", [])))


def _records(path: Path):
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            yield record
