"""`run_evaluation.py` on a real run of a small Falcon: what it measures, writes, prints and refuses."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from adapters import give_a_voice

import run_evaluation
from langlearn import assets, cases, config, model, record, runs
from langlearn.errors import UserError
from langlearn.measuring import results


@pytest.fixture(scope="module")
def finished(tiny_falcon, tiny_corpus, tmp_path_factory):
    """Folder with a published adapter, its corpus, and what a run of 9 steps logged. Nothing was trained: the adapter's
    weights are random, and so change what the base says."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(tiny_corpus, folder / "cases.csv")
    settings = config.Config()
    settings.model.base = str(tiny_falcon)
    settings.data.cases, settings.data.train_share = str(folder / "cases.csv"), 0.6
    corpus = cases.read(settings.data)
    train, held_out = cases.split(corpus, 0.6, 42)
    base = model.load_base(settings.model, "cpu", torch.float32)
    tuned = model.add_adapter(base, settings.adapter, seed=0)
    give_a_voice(tuned, std=0.05)
    history = [{"step": 0, "epoch": 0.0, "loss": 6.0}, {"step": 9, "epoch": 3.0, "loss": 5.0}]
    run = {
        "base_model": model.base_identity(settings.model),
        "profile": "tiny",
        "method": "qlora",
        "quantization": {"bits": 4, "linear_layers_expected": 8, "linear_layers_found": 8},
        "data": {"file": settings.data.cases, "sha256": corpus.sha256, "cases": 24, "skipped": 0, "duplicates": 0},
        "split": {"train": len(train), "held_out": len(held_out), "train_share": 0.6, "seed": 42},
        "batch": {"T": None, "E": None, "S": None, "cases_per_step": 4},
        "hardware": {"device": "cpu"},
        "plan": {"predicted_peak_bytes": 2**30},
        "steps": 9,
        "epochs": 3.0,
        "tokens": 5000,
        "supervised_tokens": 2000,
        "seconds": 4.0,
        "tokens_per_second": 1250.0,
        "peak_memory_bytes": 2**30,
        "final": {"loss": 4.9, "grad_norm": 1.0, "learning_rate": 1e-6},
        "evaluation": {"before": 6.0, "after": 5.0, "history": history},
        "diagnostic": [{"question": "Why?", "before": "…", "after": "…"}],
        "versions": record.versions(),
        "config": settings.as_dict(),
        "started": time.time() - 10,
        "finished": time.time(),
    }
    record.publish(folder / "adapter", tuned, model.load_tokenizer(settings.model), run)
    (folder / "logs").mkdir()
    step = {"time": run["finished"], "kind": "step", "loss": 5.0, "grad_norm": 1.0, "learning_rate": 1e-4}
    lines = [json.dumps(step | {"step": n}) for n in range(1, 10)]
    (folder / "logs" / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def flags(folder: Path, *more: str) -> list[str]:
    base = json.loads((folder / "adapter" / "run.json").read_text())["base_model"]["base"]
    settings = {
        "profile": "tiny",
        "model.base": base,
        "data.cases": folder / "cases.csv",
        "training.output": folder / "adapter",
        "index.folder": folder / "index",
        "logs.folder": folder / "logs",
        "answering.max_new_tokens": 8,
    }
    return [text for key, value in settings.items() for text in (f"--{key}", str(value))] + list(more)


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_it_measures_the_runs_own_held_out_cases_and_writes_numbers_page_and_row(finished, capsys):
    run_evaluation.main(flags(finished))
    printed = capsys.readouterr().out
    run = json.loads((finished / "adapter" / "run.json").read_text())
    written = json.loads((finished / "adapter" / "evaluation.json").read_text())
    corpus = cases.read(config.Data(cases=str(finished / "cases.csv")))
    held_out = {case.id for case in cases.split(corpus, 0.6, 42)[1]}
    assert {each["id"] for each in written["cases"]} == held_out
    assert list(written["columns"]) == list(results.COLUMNS)
    assert written["run"]["finished"] == run["finished"]
    page = (finished / "adapter" / "report" / "index.html").read_text(encoding="utf-8")
    assert "tuned + retrieval" in page and "Not measured yet" not in page
    [row] = runs.read(finished / "logs" / runs.NAME)
    assert row["condition"] and row["split"] == "60/40"
    assert "loss on the answer" in printed and "what changed" in printed and "nDCG@10" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if not line.startswith("report: "))


def test_the_adapter_is_still_whole_and_the_numbers_are_the_same_again(finished, capsys):
    few = flags(finished, "--json", "--limit", "2")
    run_evaluation.main(few)
    first = json.loads(capsys.readouterr().out)
    run_evaluation.main(few)
    second = json.loads(capsys.readouterr().out)
    for found in (first, second):
        found["about"].pop("seconds")
    assert first == second
    assert len(runs.read(finished / "logs" / runs.NAME)) == 1


def test_four_bit_weights_unpacked_say_what_they_said_packed(finished, capsys):
    """A CPU unpacks them once for speed; the base column must not notice."""
    run_evaluation.main(flags(finished, "--json", "--limit", "2"))
    found = json.loads(capsys.readouterr().out)
    settings = config.Config()
    settings.model.base = found["run"]["base"]
    packed = model.load_base(settings.model, "cpu", torch.float32)
    assert model.count_quantised(packed) == (8, 8)
    tokenizer = model.load_tokenizer(settings.model)
    corpus = {c.id: c for c in cases.read(config.Data(cases=str(finished / "cases.csv"))).cases}
    case = corpus[found["cases"][0]["id"]]
    start = tokenizer(f"Question: {case.prompt}\nAnswer:").input_ids
    ending = tokenizer(f" {case.completion}").input_ids + [tokenizer.eos_token_id]
    with torch.no_grad():
        logits = packed(input_ids=torch.tensor([start + ending])).logits[0, len(start) - 1 : -1]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(ending), reduction="sum").item()
    assert found["cases"][0]["columns"]["base"]["loss"] == pytest.approx(expected, abs=0.02)


def test_a_limit_measures_so_many(finished, tmp_path, capsys):
    folder = copied(finished, tmp_path)
    run_evaluation.main(flags(folder, "--limit", "1", "--json"))
    assert json.loads(capsys.readouterr().out)["about"]["evaluated"] == 1


def test_a_corpus_that_changed_since_is_refused(finished, tmp_path):
    folder = copied(finished, tmp_path)
    path = folder / "cases.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("sore", "dry", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"not what the run was trained on.*\n.*--data\.cases"):
        run_evaluation.main(flags(folder))


def test_a_corpus_read_by_other_columns_is_refused(finished):
    swapped = ("--data.prompt_column", "Completion", "--data.completion_column", "Prompt")
    with pytest.raises(UserError, match="--data.prompt_column 'Prompt'"):
        run_evaluation.main(flags(finished, *swapped))


def test_an_edited_adapter_is_refused(finished, tmp_path):
    folder = copied(finished, tmp_path)
    path = folder / "adapter" / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="adapter_model.safetensors is missing or changed"):
        run_evaluation.main(flags(folder))


def test_without_a_finished_run_it_says_how_to_get_one(finished, tmp_path):
    arguments = flags(finished, "--training.output", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="medical_diagnosis_gpu.py"):
        run_evaluation.main(arguments)


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_a_limit_below_one_is_refused(finished, limit):
    with pytest.raises(UserError, match=f"--limit is {limit}"):
        run_evaluation.main(flags(finished, f"--limit={limit}"))


def test_compare_prints_the_rows_and_loads_nothing(finished, tmp_path, capsys):
    run = json.loads((finished / "adapter" / "run.json").read_text())
    runs.append(tmp_path, run)
    runs.append(tmp_path, run | {"finished": run["finished"] + 60, "epochs": 10.0})
    arguments = flags(finished, "--logs.folder", str(tmp_path), "--training.output", str(tmp_path / "nothing"))
    run_evaluation.main([*arguments, "--compare"])
    lines = capsys.readouterr().out.splitlines()
    assert "run 1" in lines[0] and "run 2" in lines[0] and all(len(line) <= 80 for line in lines)
    run_evaluation.main([*arguments, "--compare", "--json"])
    assert [row["epochs"] for row in json.loads(capsys.readouterr().out)] == ["3", "10"]


def test_hashes_of_the_adapter_do_not_include_what_evaluation_adds(finished):
    files = json.loads((finished / "adapter" / "run.json").read_text())["files"]
    assert "evaluation.json" not in files
    assert all(assets.file_hash(finished / "adapter" / name) == digest for name, digest in files.items())
