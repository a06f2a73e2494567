"""What the page and the table of runs promise: one file, nothing fetched, nothing unescaped, nothing of another run."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from langlearn import report, runs
from langlearn.errors import UserError
from langlearn.measuring import measures, results
from langlearn.measuring.results import Evaluation
from langlearn.page import curves

EVIL = '<script>alert("1")</script><img src="https://x.example/y.png">'
FINISHED = 1_790_000_000.0


def a_run(**changes) -> dict:
    run = {
        "base_model": {"base": "models/no-such-falcon", "revision": None, "sha256": "ab" * 32},
        "profile": "tiny",
        "method": "qlora",
        "quantization": {"bits": 4, "linear_layers_expected": 8, "linear_layers_found": 8},
        "data": {"file": "data/cases.csv", "sha256": "cd" * 32, "cases": 40, "skipped": 0, "duplicates": 0},
        "split": {"train": 36, "held_out": 4, "train_share": 0.9, "seed": 42},
        "batch": {"T": 1, "E": 1, "S": 4, "cases_per_step": 4},
        "hardware": {"device": "cpu", "cores": 2},
        "plan": {"dtype": "float32", "predicted_peak_bytes": 1.5 * 2**30},
        "steps": 30,
        "epochs": 3.0,
        "tokens": 9000,
        "supervised_tokens": 4000,
        "seconds": 43279.64,
        "tokens_per_second": 123.4,
        "peak_memory_bytes": 1.8 * 2**30,
        "final": {"loss": 0.825661724, "grad_norm": 22.707, "learning_rate": 1.89e-08},
        "evaluation": {"before": 3.5, "after": 1.9, "history": [{"step": 0, "loss": 3.5}, {"step": 30, "loss": 1.9}]},
        "diagnostic": [{"question": "Why?", "before": "Because because", "after": "A sprain [1]."}],
        "versions": {"torch": "2.13.0"},
        "config": {"adapter": {"r": 16, "alpha": 32}, "training": {"learning_rate": 2e-4, "retrieval_share": 0.75}},
        "files": {},
        "started": FINISHED - 100,
        "finished": FINISHED,
    }
    return run | changes


def an_evaluation() -> Evaluation:
    loss = measures.ratio([2.0, 3.0] * 6, [1, 1] * 6)
    row = {
        name: measures.share([True, False] * 6) if metric.percent else loss for name, metric in results.METRICS.items()
    }
    ranking = {"MRR": loss, "nDCG@10": loss} | {f"recall@{k}": loss for k in (1, 5, 10)}
    return Evaluation(
        columns={name: dict(row) for name in results.COLUMNS},
        effects={name: {"loss": loss, "condition": measures.mean([0.0, 1.0] * 6)} for name in results.EFFECTS},
        retrieval={"dense": ranking},
        about={"held_out": 14, "evaluated": 12},
        notes=["a note"],
    )


def steps(first: int, last: int, time: float = FINISHED - 50, loss: float = 2.0) -> list[str]:
    return [
        json.dumps({"time": time, "kind": "step", "step": n, "loss": loss, "grad_norm": 1.0, "learning_rate": 1e-4})
        for n in range(first, last + 1)
    ]


@pytest.fixture
def folder(tmp_path):
    """A run with its evaluation in tmp_path/adapter, its step log in tmp_path/logs."""
    (tmp_path / "adapter").mkdir()
    (tmp_path / "logs").mkdir()
    (tmp_path / "adapter" / "run.json").write_text(json.dumps(a_run()))
    evaluation = an_evaluation().as_dict() | {"run": {"finished": FINISHED}}
    (tmp_path / "adapter" / "evaluation.json").write_text(json.dumps(evaluation))
    (tmp_path / "logs" / "metrics.jsonl").write_text("\n".join(steps(1, 30)))
    return tmp_path / "adapter"


class Tags(HTMLParser):
    """Every tag with its attributes, and that each is closed."""

    VOID = {"meta", "img", "br"}

    def __init__(self, page: str):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def written(folder) -> str:
    return report.write(folder, folder.parent / "logs").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_no_other_file_and_no_script(folder):
    page = written(folder)
    tags = Tags(page)
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "svg"}
    sources = [a["src"] for tag, a in tags.found if "src" in a]
    assert len(sources) == 5 and all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert not any(a.get("href") or any(name.startswith("on") for name in a) for _, a in tags.found)
    assert "default-src 'none'" in page and "url(" not in page and "@import" not in page
    assert all(a.get("alt") for tag, a in tags.found if tag == "img")


@pytest.mark.parametrize("place", ["question", "before", "after", "base", "file", "setting"])
def test_text_from_anywhere_is_escaped(folder, place):
    run = a_run()
    if place in ("question", "before", "after"):
        run["diagnostic"][0][place] = EVIL
    elif place == "base":
        run["base_model"]["base"] = EVIL
    elif place == "file":
        run["data"]["file"] = EVIL
    else:
        run["config"][EVIL] = {EVIL: EVIL}
    page = report.page(run, an_evaluation(), curves.Curves([], run["evaluation"]["history"]))
    tags = Tags(page)
    assert tags.open == [] and "script" not in {tag for tag, _ in tags.found}
    assert not any("example" in a.get("src", "") for _, a in tags.found)
    assert "&lt;" in page


def test_the_page_shows_the_row_that_runs_are_compared_by(folder):
    page = re.sub(r"<[^>]+>", " ", written(folder))
    for value in ("90/10", "1/1/4", "12:01:20 (43,279.64 s)", "0.825662", "22.707", "1.89e-08", "from the hub"):
        assert value in page


def test_prediction_stands_beside_outcome(folder):
    page = re.sub(r"<[^>]+>", " ", written(folder))
    assert re.search(r"peak memory\s+1\.50 GiB\s+1\.80 GiB\s+\+20 %", page)
    assert not re.search(r"time\s+\d", page.partition("Prediction")[2].partition("one row")[0])  # it was not predicted


def test_all_columns_their_intervals_and_verdicts_are_there(folder):
    page = written(folder)
    for column in results.COLUMNS:
        assert f'data-label="{column}"' in page
    assert page.count("names the condition") >= 2 and 'class="worse"' in page and "a note" in page


def test_before_the_evaluation_the_page_says_how_to_get_it(folder):
    (folder / "evaluation.json").unlink()
    assert "python run_evaluation.py" in written(folder)


def test_an_evaluation_of_an_earlier_adapter_is_not_shown(folder):
    stale = an_evaluation().as_dict() | {"run": {"finished": FINISHED - 9}}
    (folder / "evaluation.json").write_text(json.dumps(stale))
    assert "Not measured yet" in written(folder)


def test_a_page_that_cannot_be_made_leaves_the_old_one(folder):
    before = written(folder)
    (folder / "run.json").write_text(json.dumps(a_run(steps=None, quantization={})))
    with pytest.raises(KeyError):
        report.write(folder, folder.parent / "logs")
    assert (folder / "report" / "index.html").read_text(encoding="utf-8") == before
    assert [p.name for p in (folder / "report").iterdir()] == ["index.html"]


def test_the_same_run_gives_the_same_page(folder):
    assert written(folder) == written(folder)


# Step log -----------------------------------------------------------------------------------------------------------


def curves_of(tmp_path, lines: list[str], **changes) -> curves.Curves:
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(lines))
    return curves.read(path, a_run(**changes))


def test_a_step_that_a_resume_repeated_counts_once_as_it_was_last_taken(tmp_path):
    found = curves_of(tmp_path, steps(1, 25, loss=2.0) + steps(21, 30, loss=1.0))
    assert [s["step"] for s in found.steps] == list(range(1, 31))
    assert [s["loss"] for s in found.steps] == [2.0] * 20 + [1.0] * 10


def test_runs_before_and_after_in_the_same_log_are_not_drawn(tmp_path):
    earlier, later = steps(1, 50, loss=9.0), steps(1, 7, time=FINISHED + 60, loss=8.0)
    found = curves_of(tmp_path, earlier + steps(1, 30) + later)
    assert len(found.steps) == 30 and {s["loss"] for s in found.steps} == {2.0}


def test_a_damaged_or_lost_log_costs_the_step_curves_only(folder, tmp_path):
    found = curves_of(tmp_path, [*steps(1, 29), "{torn", "[1]", *steps(30, 30)])
    assert len(found.steps) == 30
    (folder.parent / "logs" / "metrics.jsonl").unlink()
    page = written(folder)
    assert "not in logs/metrics.jsonl" in page and 'alt="Loss by step"' in page and "Gradient norm" not in page


def test_a_step_that_overflowed_has_no_gradient_norm(folder, monkeypatch):
    lines, drawn, draw = steps(1, 30), [], report.charts.curve
    lines[4] = lines[4].replace('"grad_norm": 1.0', '"grad_norm": Infinity')
    (folder.parent / "logs" / "metrics.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(report.charts, "curve", lambda chart: drawn.append(chart) or draw(chart))
    written(folder)
    [norm] = [chart.lines[0] for chart in drawn if chart.title == "norm"]
    assert list(norm.x) == [n for n in range(1, 31) if n != 5] and set(norm.y) == {1.0}


# Runs ---------------------------------------------------------------------------------------------------------------


def test_every_run_adds_its_row_and_keeps_what_others_wrote(tmp_path):
    path = runs.append(tmp_path, a_run())
    text = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([text[0] + ",remark", text[1] + ',"slow, fan broken"']) + "\n", encoding="utf-8")
    runs.append(tmp_path, a_run(finished=FINISHED + 500, epochs=10.0))
    rows = runs.read(path)
    assert [r["epochs"] for r in rows] == ["3", "10"]
    assert [r["remark"] for r in rows] == ["slow, fan broken", ""]
    assert [p.name for p in tmp_path.iterdir()] == [runs.NAME]


def test_evaluating_a_run_completes_its_row_instead_of_adding_one(tmp_path):
    runs.append(tmp_path, a_run())
    runs.append(tmp_path, a_run(finished=FINISHED + 500))
    runs.append(tmp_path, a_run(), an_evaluation().as_dict())
    rows = runs.read(tmp_path / runs.NAME)
    assert len(rows) == 2
    assert [r["condition"] for r in rows] == ["0.500", ""]
    assert rows[0]["rouge_l"] == "2.500"


def test_a_damaged_table_of_runs_is_named_and_not_overwritten(tmp_path):
    path = tmp_path / runs.NAME
    for content in (b'finished,loss\n"2026,1\n', b"\xff\xfe\x00", b"other,columns\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=runs.NAME):
            runs.append(tmp_path, a_run())
        assert path.read_bytes() == content


def test_no_run_yet_is_said_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match="medical_diagnosis_gpu.py"):
        runs.read(tmp_path / runs.NAME)


@pytest.mark.parametrize(("width", "shown"), [(80, [5, 6, 7]), (200, [1, 2, 3, 4, 5, 6, 7])])
def test_runs_stand_side_by_side_within_the_width(tmp_path, width, shown):
    for number in range(7):
        runs.append(tmp_path, a_run(finished=FINISHED + number))
    console = Console(width=width, file=io.StringIO())
    console.print(runs.side_by_side(runs.read(tmp_path / runs.NAME), width))
    lines = console.file.getvalue().splitlines()
    assert [int(n) for n in re.findall(r"run (\d)", lines[0])] == shown
    assert all(len(line) <= width for line in lines)
    assert any("1/1/4" in line for line in lines) and any("12:01:20" in line for line in lines)


def test_a_row_is_plain_csv(tmp_path):
    with runs.append(tmp_path, a_run()).open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["loss"] == "0.825662" and row["split"] == "90/10" and row["base"] == "models/no-such-falcon"
