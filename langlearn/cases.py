"""The corpus: find it, read it, check every case, drop duplicates, split it.

CSV, JSONL or Parquet with two text columns; what the other columns say becomes the case's labels.
"""

import difflib
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langlearn.config import Data, corpus_place
from langlearn.errors import UserError
from langlearn.files import tables
from langlearn.files.tables import shown_name, shown_path

LONGEST_FIELD = 100_000  # characters: no case is a book, so a longer field is a broken row
REFUSALS = ("out of scope", "unsafe request")  # values of `condition` that are no diagnosis


@dataclass(frozen=True)
class Case:
    """One question and its answer, stripped at both ends."""

    id: str
    """First 12 hex digits of sha256(prompt + NUL + completion): the same case has the same id in every file."""
    prompt: str
    completion: str
    row: int
    labels: dict[str, str]
    """What the other columns say; empty cells are left out."""


@dataclass(frozen=True)
class Corpus:
    """The good rows of one file, in its order, and what became of the others."""

    cases: list[Case]
    path: Path
    sha256: str
    """Of the file's bytes."""
    skipped: list[tuple[int, str]]
    """(row, what is wrong with it)"""
    duplicates: int

    def summary(self) -> str:
        """One line: how many cases, from where, and what was left out."""
        text = f"{len(self.cases):,} cases from {shown_path(self.path)}"
        if self.duplicates:
            text += f"; {self.duplicates:,} duplicates dropped"
        return text + (f"; {len(self.skipped):,} bad rows skipped ({_some(self.skipped)})" if self.skipped else "")


def locate(cases: str, columns: Sequence[str] = ("Prompt", "Completion")) -> Path:
    """The data file that `cases` means: a file, or the one in a folder (such as a git clone of a data set).

    Relative paths start at the project's root or, where nothing is there, at the current folder. Among several files
    in a folder the one with both `columns` is taken. Raises UserError where there is none, or more than one.
    """
    remedy = "point data.cases at a CSV, JSONL or Parquet file, or at a folder that holds one"
    if not cases.strip():
        raise UserError(f"data.cases is empty: {remedy}")
    path = corpus_place(cases)
    if path.is_dir():
        return _locate_in(path, columns)
    if not path.is_file():
        raise UserError(f"corpus {shown_path(path)} does not exist:\n{remedy}")
    if path.suffix.lower() not in tables.FORMATS:
        raise UserError(f"corpus {shown_path(path)} ends in '{path.suffix}':\n{remedy}")
    return path


def read(data: Data) -> Corpus:
    """The corpus that `data.cases` names, checked row by row.

    Raises UserError where the file is missing, empty, unreadable, lacks a column, or has more bad rows than
    `data.max_bad_rows` allows.
    """
    wanted = (data.prompt_column, data.completion_column)
    if wanted[0] == wanted[1]:
        raise UserError(f"data.prompt_column and data.completion_column are both '{wanted[0]}': name two columns")
    path = locate(data.cases, wanted)
    table = tables.read(path, wanted)
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise UserError(_wrong_columns(path, table.columns, missing))

    cases: dict[str, Case] = {}
    skipped, duplicates = [], 0
    for row, record in table.rows:
        case = _case(row, record, wanted)
        if isinstance(case, str):
            skipped.append((row, case))
        elif case.id in cases:
            duplicates += 1
        else:
            cases[case.id] = case
    rows = len(cases) + duplicates + len(skipped)
    if rows == 0:
        raise UserError(f"{shown_path(path)} is empty: it has a header, but no case below it")
    if not cases or len(skipped) > data.max_bad_rows * rows:
        encoding = all(reason.endswith("is not UTF-8") for _, reason in skipped)
        remedy = "save the file as UTF-8" if encoding else "mend them"
        if cases:
            remedy += f", or raise data.max_bad_rows (now {data.max_bad_rows:g}) to skip them"
        raise UserError(f"{shown_path(path)}: {len(skipped):,} of {rows:,} rows bad ({_some(skipped)}):\n{remedy}")
    return Corpus(list(cases.values()), path, hashlib.sha256(table.content).hexdigest(), skipped, duplicates)


def split(corpus: Corpus, train_share: float, seed: int) -> tuple[list[Case], list[Case]]:
    """(train, held out), the same for the same cases in any order, on any machine.

    Where cases carry a `condition`, one presentation of each condition is held out before a second of any is, and
    the last one always trains: a held-out case can be recognised by what was learned. (A condition with a single
    case therefore trains, so that fewer cases than asked for may be held out.) Both lists are in the seed's order.
    """
    shuffled = _shuffled(corpus.cases, random.Random(seed))
    wanted = int(len(shuffled) * (1 - train_share) + 0.5 + 1e-9)
    if not 0 < wanted < len(shuffled):
        raise UserError(f"{len(shuffled)} cases at data.train_share {train_share:g} are {len(shuffled) - wanted} to "
                        f"train and {wanted} to hold out:\neach side needs at least 1; add cases to "
                        f"{shown_path(corpus.path)} or bring the share nearer to 0.5")  # fmt: skip
    total = Counter(case.labels.get("condition") for case in shuffled)
    seen: Counter[str] = Counter()
    candidates = []
    for case in shuffled:
        condition = case.labels.get("condition")
        if condition is None:
            candidates.append((1, case))
            continue
        seen[condition] += 1
        if seen[condition] < total[condition]:
            candidates.append((seen[condition], case))
    if not candidates:
        raise UserError(f"{shown_path(corpus.path)}: none of its {len(total)} conditions has a second case to hold "
                        "out:\nadd cases, or rename the column 'condition' if it is no label")  # fmt: skip
    candidates.sort(key=lambda candidate: candidate[0])
    held_out = [case for _, case in candidates[:wanted]]
    return _without(shuffled, held_out), held_out


def held_out_by_presentation(
    cases: Sequence[Case], seed: int, train_share: float = 0.9
) -> tuple[list[Case], list[Case]]:
    """(train, held out) of a corpus with a `condition` label: one presentation of every condition is held out.

    The seed chooses which, for each condition on its own, so that a new condition moves no other. A condition with
    one case trains, and so do cases without a label. REFUSALS are no presentations of anything: they are split at
    `train_share`. Raises UserError where no condition has two cases.
    """
    groups = defaultdict(list)
    for case in cases:
        groups[case.labels.get("condition", "")].append(case)
    held_out = []
    for condition, group in sorted(groups.items()):
        if condition and len(group) > 1:
            count = max(1, round(len(group) * (1 - train_share))) if condition in REFUSALS else 1
            held_out += _shuffled(group, random.Random(f"{seed} {condition}"))[:count]
    if not held_out:
        raise UserError("no two cases share a 'condition': label the cases with a column of that name")
    return _without(_shuffled(cases, random.Random(seed)), held_out), held_out


def _shuffled(cases: Sequence[Case], chance: random.Random) -> list[Case]:
    """In an order that depends on the cases and the seed, not on the file's order."""
    cases = sorted(cases, key=lambda case: case.id)
    chance.shuffle(cases)
    return cases


def _without(cases: list[Case], left_out: list[Case]) -> list[Case]:
    ids = {case.id for case in left_out}
    return [case for case in cases if case.id not in ids]


def _locate_in(folder: Path, columns: Sequence[str]) -> Path:
    for pattern in ("*", "*/*"):  # a clone may keep its files one folder down
        found = [
            path
            for path in sorted(folder.glob(pattern))
            if path.suffix.lower() in tables.FORMATS and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]  # fmt: skip
        if found:
            break
    else:
        raise UserError(f"folder {shown_path(folder)} holds no CSV, JSONL or Parquet file:\n"
                        "put one there, or point data.cases at a file")  # fmt: skip
    if len(found) > 1:
        found = [path for path in found if set(columns) <= set(_columns(path, columns))] or found
    if len(found) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in found[:5]) + (", …" if found[5:] else "")
        raise UserError(f"folder {shown_path(folder)} holds {len(found)} data files ({names}):\n"
                        "name one of them in data.cases")  # fmt: skip
    return found[0]


def _columns(path: Path, wanted: Sequence[str]) -> list[str]:
    try:
        return tables.read(path, wanted).columns
    except UserError:  # then it is not the file that is looked for
        return []


def _case(row: int, record: dict[str, Any] | str, wanted: Sequence[str]) -> Case | str:
    """The case in a row, or what is wrong with the row."""
    if isinstance(record, str):
        return record
    texts = {}
    for name, value in record.items():
        if name in wanted and not isinstance(value, str | None):
            return f"{shown_name(name)} is not text"
        text = "" if value is None else value.strip() if isinstance(value, str) else json.dumps(value, default=str)
        if damage := tables.damage(text):
            return f"{shown_name(name)} {damage}"
        if len(text) > LONGEST_FIELD:
            return f"{shown_name(name)} has {len(text):,} characters, above {LONGEST_FIELD:,}"
        texts[name] = text
    for name in wanted:
        if not texts.get(name):
            return f"{shown_name(name)} is empty"
    prompt, completion = (texts.pop(name) for name in wanted)
    digest = hashlib.sha256(f"{prompt}\0{completion}".encode()).hexdigest()
    return Case(digest[:12], prompt, completion, row, {name: text for name, text in texts.items() if name and text})


def _wrong_columns(path: Path, columns: list[str], missing: list[str]) -> str:
    # Without a header the first case would stand where the column names do: not for a terminal.
    if any(len(name) > 60 for name in columns):
        return f"{shown_path(path)} has no header: its first row must name the columns, {' and '.join(missing)} too"
    found = ", ".join(shown_name(name) for name in columns[:12]) + (", …" if columns[12:] else "")
    lower = {name.lower(): name for name in columns}
    near = [match for name in missing for match in difflib.get_close_matches(name.lower(), lower, 1, 0.8)]
    hint = f"did you mean {' and '.join(shown_name(lower[name]) for name in near)}? " if near else ""
    return (f"{shown_path(path)} has no column {' and no '.join(map(repr, missing))}, but {found or 'none'}:\n"
            f"{hint}set data.prompt_column and data.completion_column")  # fmt: skip


def _some(skipped: list[tuple[int, str]], most: int = 3) -> str:
    named = "; ".join(f"row {row}: {reason}" for row, reason in skipped[:most])
    return named + (f"; {len(skipped) - most:,} more" if len(skipped) > most else "")
