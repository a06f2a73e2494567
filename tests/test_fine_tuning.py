"""`medical_diagnosis_gpu.py` as a person runs it: whole processes on a real small Falcon in real NF4."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent.parent
STEPS = 12  # 21 training cases, 4 a step: 6 steps an epoch, 2 epochs


def command(base, corpus, folder, *more) -> list[str]:
    settings = {
        "profile": "tiny",
        "model.base": base,
        "data.cases": corpus,
        "training.output": folder / "adapter",
        "training.batch_size": 4,
        "training.num_train_epochs": 2,
        "training.learning_rate": 0.002,
        "training.max_length": 256,
        "training.save_minutes": 1e-6,
        "index.folder": folder / "index",
        "logs.folder": folder / "logs",
        "answering.max_new_tokens": 8,
        "training.eval_cases": 1,
    }
    flags = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    return [sys.executable, str(ROOT / "medical_diagnosis_gpu.py"), *flags, *more]


def environment(**more) -> dict:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}


def finish(arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, capture_output=True, text=True, env=environment(**more), timeout=300)


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def whole(tiny_falcon, tiny_corpus, tmp_path_factory):
    """Folder of one uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    done = finish(command(tiny_falcon, tiny_corpus, folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_run_json_tells_the_whole_run(whole):
    run = json.loads((whole / "adapter" / "run.json").read_text())
    assert run["quantization"] == {"bits": 4, "linear_layers_expected": 8, "linear_layers_found": 8}
    assert run["steps"] == STEPS and run["epochs"] == 2
    assert run["split"]["train"] + run["split"]["held_out"] == run["data"]["cases"] == 24
    assert run["split"]["held_out_for_loss"] == 1 < run["split"]["held_out"]
    assert run["tokens"] > run["supervised_tokens"] > 0
    assert run["evaluation"]["after"] < run["evaluation"]["before"]
    assert [d["question"] for d in run["diagnostic"]] == run["config"]["training"]["diagnostic_questions"]
    assert all({"before", "after"} <= d.keys() for d in run["diagnostic"]) and len(run["diagnostic"]) == 3
    assert run["final"]["learning_rate"] < 0.002 and run["final"]["grad_norm"] > 0
    assert run["plan"]["predicted_peak_bytes"] > 0 and run["peak_memory_bytes"] > 0


def test_the_log_has_a_line_a_step_and_both_answers(whole):
    text = (whole / "logs" / "train.log").read_text()
    assert text.count(" tok/s ") == STEPS
    assert f"step {STEPS}/{STEPS} epoch 2.00 loss " in text
    assert text.count("before  Q: ") == text.count("after   Q: ") == 3
    said = [line[len("2026-01-31 12:00:00 ") :] for line in text.splitlines()]
    asked = [line for line in said if line[:8].strip() in ("before", "after", "")]
    assert len(asked) > 12 and max(map(len, asked)) <= 80, "the longest question takes two lines"
    assert text.count("evaluation at step") == 3  # before, and after each epoch
    kinds = [json.loads(line)["kind"] for line in (whole / "logs" / "metrics.jsonl").read_text().splitlines()]
    assert kinds.count("step") == STEPS and kinds.count("evaluation") == 3


def test_the_log_begins_before_the_index_is_built_and_tells_of_it(whole):
    lines = (whole / "logs" / "train.log").read_text().splitlines()
    first = [line.split(" ")[2] for line in lines[:5]]
    assert first == ["profile", "corpus", "looking", "index", "profile"]
    assert " texts embedded, all looked up in 0:" in lines[3]


def test_the_adapter_is_a_standard_one(whole, tiny_falcon):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_falcon)
    tuned = PeftModel.from_pretrained(base, str(whole / "adapter"))
    assert sum("lora_" in name for name, _ in tuned.named_parameters()) == 2 * 8
    assert not (whole / "adapter" / "config.json").exists()


def test_the_run_ends_with_four_columns_a_report_and_a_row(whole):
    found = json.loads((whole / "adapter" / "evaluation.json").read_text())
    assert [*found["columns"]] == ["base", "tuned", "base + retrieval", "tuned + retrieval"]
    assert found["columns"]["tuned"]["loss"]["value"] < found["columns"]["base"]["loss"]["value"]
    log = (whole / "logs" / "train.log").read_text()
    assert "names the condition" in log and "loss on the answer" in log
    *_, report, last = log.splitlines()
    assert report.endswith(f"report: {whole / 'adapter' / 'report' / 'index.html'}")
    assert re.search(r" all of it took (0:\d\d|1:\d\d) \(predicted \d:\d\d\)$", last)
    assert "tuned + retrieval" in (whole / "adapter" / "report" / "index.html").read_text()
    assert len((whole / "logs" / "runs.csv").read_text().splitlines()) == 2


def test_checkpoints_are_gone_and_nothing_half_written_is_left(whole):
    assert sorted(p.name for p in whole.iterdir()) == ["adapter", "index", "logs"]


def wait_for_step(log: Path, number: int, process) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if log.is_file() and f" step {number}/" in log.read_text():
            return
        time.sleep(0.02)
    pytest.fail(f"step {number} never came: {process.poll()}")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
def test_an_interrupted_run_ends_with_the_same_adapter(how, whole, tiny_falcon, tiny_corpus, tmp_path):
    arguments = command(tiny_falcon, tiny_corpus, tmp_path)
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for_step(tmp_path / "logs" / "train.log", 4, process)
    process.send_signal(how)
    process.communicate(timeout=100)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "adapter").exists()
    done = finish(arguments)
    assert done.returncode == 0, done.stderr
    [step] = re.findall(r"resumed at step (\d+)/12", done.stdout)
    assert re.search(rf"^resumes +at step {step} ", done.stdout, re.M)
    assert re.search(r"all of it took \S+ \(predicted \S+\)", done.stdout)
    expected, found = adapter(whole), adapter(tmp_path)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_an_interrupted_run_with_other_settings_is_not_mixed_with_this_one(tiny_falcon, tiny_corpus, tmp_path):
    arguments = command(tiny_falcon, tiny_corpus, tmp_path)
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_step(tmp_path / "logs" / "train.log", 2, process)
    process.kill()
    process.wait()
    other = finish([*arguments, "--training.learning_rate", "0.001"])
    assert other.returncode == 2
    assert "training.learning_rate 0.002, now it is 0.001" in other.stderr and "--fresh" in other.stderr
    assert len(other.stderr.strip().splitlines()) <= 2
    assert "peak" not in other.stdout, "refused before anything is timed or loaded"
    plan = finish([*arguments, "--training.learning_rate", "0.001", "--plan"])
    assert plan.returncode == 0 and "peak" in plan.stdout
    assert "\nThis run would be refused: " in plan.stdout and "--fresh" in plan.stdout


def test_two_processes_train_as_one(tiny_falcon, tiny_corpus, tmp_path):
    adapters, losses = [], []
    for ranks in ("1", "2"):
        folder = tmp_path / ranks
        arguments = command(tiny_falcon, tiny_corpus, folder, "--adapter.dropout", "0", "--model.dtype", "float32")
        done = finish(arguments, LANG_LEARN_RANKS=ranks)
        assert done.returncode == 0, done.stderr
        adapters.append(adapter(folder))
        metrics = [json.loads(line) for line in (folder / "logs" / "metrics.jsonl").read_text().splitlines()]
        losses.append([m["loss"] for m in metrics if m["kind"] == "step"])
    assert losses[0] == pytest.approx(losses[1], abs=2e-4)
    for name, value in adapters[0].items():
        torch.testing.assert_close(value, adapters[1][name], atol=2e-3, rtol=0)


def test_the_plan_stops_before_any_weight_is_loaded(tiny_falcon, tiny_corpus, tmp_path):
    base = tmp_path / "weightless"
    base.mkdir()
    for file in tiny_falcon.iterdir():
        if file.suffix == ".json":
            (base / file.name).write_bytes(file.read_bytes())
    done = finish(command(base, tiny_corpus, tmp_path, "--plan"))
    assert done.returncode == 0, done.stderr
    assert "peak" in done.stdout and not (tmp_path / "adapter").exists()
    assert max(map(len, done.stdout.splitlines())) <= 80
