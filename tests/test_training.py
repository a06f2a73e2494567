"""The run's own promises, in one process: memory that runs out, early stopping, schedules, checkpoints."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoTokenizer

from langlearn import checkpoint, finetuning, launch, lora, model, objective, optimization, training
from langlearn.cases import read
from langlearn.config import Adapter, Data, Model, Training
from langlearn.errors import UserError
from langlearn.examples import Curriculum, Encoder
from langlearn.trainlog import TrainLog

ROOT = Path(__file__).parent.parent
ON_GLIBC = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc gives memory back so"
)


@pytest.fixture
def make_run(tiny_falcon, tiny_corpus, tmp_path):
    def make(budget=4096, workers=1, dropout=0.0, **settings):
        settings = {"batch_size": 8, "num_train_epochs": 2, "learning_rate": 2e-3, "retrieval_share": 0.0, **settings}
        chosen = Training(**settings)
        base = model.load_base(Model(base=str(tiny_falcon)), "cpu", torch.float32)
        tuned = model.add_adapter(base, Adapter(dropout=dropout), seed=0)
        encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), 256)
        cases = read(Data(cases=str(tiny_corpus))).cases
        setup = training.Setup(torch.device("cpu"), torch.float32, True, budget, "adamw", workers=workers)
        return training.Run(
            tuned, Curriculum(cases[:20], [], encoder, chosen, 0), [encoder.example(c) for c in cases[20:]], chosen,
            setup, launch.init(), TrainLog(tmp_path / "logs"), tmp_path / "checkpoints", {"seed": 1},
        )  # fmt: skip

    return make


def test_a_step_that_runs_out_of_memory_is_repeated_with_half_the_micro_batch(make_run, monkeypatch, tmp_path):
    calm = make_run()
    calm.train()
    run, real = make_run(budget=4096), objective.answer_loss

    def scarce(tuned, batch):
        if batch.tokens > 300 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("no room")
        return real(tuned, batch)

    monkeypatch.setattr(objective, "answer_loss", scarce)
    run.folder = tmp_path / "other"
    run.train()
    assert run.budget == 256
    assert "micro-batches halved" in (tmp_path / "logs" / "train.log").read_text()
    for name, value in calm.parameters.items():
        torch.testing.assert_close(run.parameters[name], value, atol=1e-4, rtol=0)


def test_workers_learn_what_one_learns(make_run, tmp_path):
    threads = torch.get_num_threads()
    alone, together = make_run(budget=300), make_run(budget=300, workers=2)
    together.folder = tmp_path / "other"
    for run in (alone, together):
        run.train()
    for one, other in zip(alone.progress.evaluations, together.progress.evaluations, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-4)
    for name, value in alone.parameters.items():
        torch.testing.assert_close(together.parameters[name], value, atol=1e-4, rtol=0)
    assert torch.get_num_threads() == threads


def test_workers_end_with_the_same_adapter_to_the_bit_however_they_take_turns(make_run, tmp_path):
    ended = []
    for number in range(4):
        run = make_run(budget=300, workers=3, dropout=0.3)
        run.folder = tmp_path / str(number)
        run.train()
        ended.append(run.parameters)
    for other in ended[1:]:
        assert all(torch.equal(other[name], value) for name, value in ended[0].items())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_dropped_depends_on_the_step_and_the_worker_alone(make_run, workers, monkeypatch):
    drawn, real = [], lora.dropped_places

    def draw(x, share, seed):
        places, generator = real(x, share, seed), lora._draws.generator or torch.default_generator
        drawn.append((generator.initial_seed(), *places[:20].tolist()))
        return places

    monkeypatch.setattr(lora, "dropped_places", draw)
    for before in (0, 99):
        run = make_run(workers=workers, dropout=0.3)
        torch.manual_seed(before)
        run.step()
        run.step()
    first, again = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    assert len(first) == 2 * workers * 8 == len(set(first)) and sorted(first) == sorted(again)
    assert len({seed for seed, *_ in first}) == 2 * workers


def test_where_one_example_is_too_much_every_layer_is_computed_again(make_run, monkeypatch, tmp_path):
    calm, run, real = make_run(), make_run(budget=64), objective.answer_loss
    layers = run.model.get_base_model().transformer.h

    def scarce(tuned, batch):
        if tuned is run.model and torch.is_grad_enabled() and not all(layer.gradient_checkpointing for layer in layers):
            raise torch.OutOfMemoryError("no room")
        return real(tuned, batch)

    monkeypatch.setattr(objective, "answer_loss", scarce)
    run.folder = tmp_path / "other"
    for each in (calm, run):
        each.train()
    text = (tmp_path / "logs" / "train.log").read_text()
    assert text.count("every layer is computed again") == 1
    for name, value in calm.parameters.items():
        torch.testing.assert_close(run.parameters[name], value, atol=1e-4, rtol=0)


def test_more_layers_computed_again_are_kept_by_a_run_that_goes_on(make_run):
    run, other = make_run(), make_run()
    assert model.recompute_all(run.model) and not model.recompute_all(run.model)
    run.step()
    run.save()
    other.resume()
    assert other.progress.step == 1 and model.recomputed(other.model) == model.recomputed(run.model) == 2


def test_a_fixed_number_of_cases_yields_where_memory_runs_out(make_run, monkeypatch):
    run, real, sizes = make_run(budget=300), objective.answer_loss, []
    run.setup = replace(run.setup, cases_per_micro_batch=8)

    def scarce(tuned, batch):
        sizes.append(len(batch.lengths))
        if sizes[-1] == 8:
            raise torch.OutOfMemoryError("no room")
        return real(tuned, batch)

    monkeypatch.setattr(objective, "answer_loss", scarce)
    run.step()
    assert sizes[0] == 8 and max(sizes[1:]) < 8 and sum(sizes[1:]) == 8


def test_an_evaluation_that_runs_out_of_memory_is_repeated_in_smaller_pieces(make_run, monkeypatch, tmp_path):
    calm, run, real = make_run(), make_run(per_device_eval_batch_size=5), objective.answer_loss
    expected = calm.evaluate()

    def scarce(tuned, batch):
        if tuned is run.model and batch.tokens > 150:
            raise torch.OutOfMemoryError("no room")
        return real(tuned, batch)

    assert max(batch.tokens for batch in run.batches(run.held_out, 5)) > 150
    monkeypatch.setattr(objective, "answer_loss", scarce)
    assert run.evaluate() == pytest.approx(expected, abs=1e-6) and run.budget < 150
    assert "the evaluation repeated" in (tmp_path / "logs" / "train.log").read_text()


def test_an_evaluation_of_so_many_cases_yields_though_training_takes_one_at_a_time(make_run, monkeypatch):
    longest, real = max(len(e.input_ids) for e in make_run().held_out), objective.answer_loss
    run = make_run(budget=longest, per_device_eval_batch_size=4)
    assert len(run.held_out) == 4
    expected = run.evaluate()

    def scarce(tuned, batch):
        if len(batch.lengths) == 4:
            raise torch.OutOfMemoryError("no room")
        return real(tuned, batch)

    monkeypatch.setattr(objective, "answer_loss", scarce)
    assert run.evaluate() == pytest.approx(expected, abs=1e-6)
    assert run.budget == longest and not model.recomputed(run.model)


def test_memory_too_small_for_one_example_is_the_users_to_mend(make_run, monkeypatch):
    def never(tuned, batch):
        raise torch.OutOfMemoryError("no room")

    run = make_run()
    monkeypatch.setattr(objective, "answer_loss", never)
    with pytest.raises(UserError, match="the longest example has"):
        run.step()


def test_early_stopping_keeps_the_best_adapter(make_run, monkeypatch):
    run = make_run(num_train_epochs=9, early_stopping_patience=2)
    losses, kept = iter([5.0, 4.0, 4.5, 4.6, 9.0]), []

    def evaluate():
        kept.append({n: p.detach().clone() for n, p in run.parameters.items()})
        return next(losses)

    monkeypatch.setattr(run, "evaluate", evaluate)
    progress = run.train()
    assert progress.stopped_early and len(progress.evaluations) == 4
    assert all(torch.equal(run.parameters[n], kept[1][n]) for n in run.parameters)
    assert not torch.equal(kept[1][n := next(iter(kept[1]))], kept[3][n])


def test_the_triple_of_batch_sizes_counts_over_all_devices():
    assert finetuning.cases_per_step(Training(batch_size=16), ranks=2) == 16
    triple = Training(per_device_train_batch_size=1, gradient_accumulation_steps=4)
    assert finetuning.cases_per_step(triple, ranks=1) == 4 and finetuning.cases_per_step(triple, ranks=2) == 8


def test_the_learning_rate_warms_up_and_ends_near_zero():
    settings = Training(learning_rate=1.0, warmup=0.1)
    rates = [optimization.learning_rate(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[10] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True) and 0 < rates[-1] < 0.001


def test_a_checkpoint_half_written_is_never_the_newest(make_run):
    run = make_run()
    run.progress.step = 3
    run.save()
    (run.folder / "step-00000009.partial").mkdir()
    (run.folder / "step-00000009.partial" / "meta.json").write_text("{}")
    assert checkpoint.newest(run.folder).name == "step-00000003"


def test_a_resumed_optimizer_has_its_moments_back(make_run):
    run = make_run()
    run.step()
    run.save()
    other = make_run()
    other.resume()
    for mine, theirs in zip(run.parameters.values(), other.parameters.values(), strict=True):
        assert torch.equal(run.optimizer.state[mine]["exp_avg"], other.optimizer.state[theirs]["exp_avg"])
        assert run.optimizer.state[mine]["step"] == other.optimizer.state[theirs]["step"] == 1


@pytest.mark.parametrize("fused", [True, False])
def test_a_resumed_step_count_is_where_the_optimizer_looks_for_it(fused):
    parameter = torch.nn.Parameter(torch.zeros(2, device="meta"))
    optimizer = torch.optim.AdamW([parameter])
    optimizer.param_groups[0]["fused"] = fused
    checkpoint.restore_optimizer(
        optimizer, {"optimizer.0.0.step": torch.tensor(3.0), "optimizer.0.0.exp_avg": torch.ones(2)}
    )
    state = optimizer.state[parameter]
    assert state["step"].device.type == ("meta" if fused else "cpu") and state["exp_avg"].device.type == "meta"


def test_only_the_newest_checkpoints_are_kept(make_run):
    run = make_run()
    for step in range(1, 6):
        run.progress.step = step
        run.save()
    assert [p.name for p in sorted(run.folder.iterdir())] == ["step-00000004", "step-00000005"]


def test_the_metrics_never_hold_the_text_of_a_case(make_run, tmp_path):
    make_run(num_train_epochs=1).train()
    for line in (tmp_path / "logs" / "metrics.jsonl").read_text().splitlines():
        assert not any(isinstance(v, str) and v not in ("step", "evaluation") for v in json.loads(line).values())
    assert "day 1" not in (tmp_path / "logs" / "train.log").read_text()


@ON_GLIBC
def test_what_is_freed_is_kept_for_what_comes_next():
    code = """
import resource, sys, torch
from langlearn.machine import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    [torch.ones(2**18) for _ in range(80)]  # 1 MiB: below a huge page
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = [faults() for _ in range(3)][-1]
print([faults() for _ in range(10)][-1] - before)
"""
    counts = []
    for how in ("give", "keep"):
        always_given = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
        done = subprocess.run(
            [sys.executable, "-c", code, how], capture_output=True, cwd=ROOT, env=always_given, check=True
        )
        counts.append(int(done.stdout))
    assert counts[0] > 20 * counts[1] + 1000


@ON_GLIBC
def test_what_a_run_kept_is_given_back_after_it():
    code = """
import psutil, torch
from langlearn.machine import give_back_freed_memory, keep_freed_memory
held = lambda: psutil.Process().memory_info().rss >> 20
class Model: pass
keep_freed_memory()
model, last = Model(), None
model.itself, model.weights = model, [torch.ones(2**18) for _ in range(200)]  # alive until garbage is collected
last = torch.ones(2**18)  # above them: the rest cannot simply shrink
before = held()
del model
print(before - held())
give_back_freed_memory()
print(before - held())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    kept, given = map(int, done.stdout.split())
    assert kept < 20 and given > 150  # MiB of 200


def test_a_checkpoint_goes_on_with_the_optimizer_that_was_chosen_whoever_chose_it(situation):
    made, *_, plan = situation()
    corpus = read(made.data)

    def known(asked, chosen):
        made.training.optimizer = asked
        return finetuning.fingerprint(made, corpus, {"sha256": "0"}, replace(plan, optimizer=chosen))

    assert known("auto", "adamw") == known("adamw", "adamw")
    differing = dict(known("auto", "adamw").items() ^ known("auto", "paged_adamw_8bit").items())
    assert list(differing) == ["training.optimizer"]


def test_a_run_that_diverges_stops_and_says_what_to_change(make_run):
    run = make_run(learning_rate=0.5)
    with torch.no_grad():
        next(iter(run.parameters.values())).fill_(float("nan"))
    with pytest.raises(UserError, match="step 1 is nan: training.learning_rate 0.5.*\n.*--fresh"):
        run.step()
    assert run.progress.step == 0


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(make_run, tmp_path):
    run = make_run()
    for _ in range(2):
        run.step()
        run.save()
    newest = checkpoint.newest(run.folder)
    (newest / "state.safetensors").write_bytes((newest / "state.safetensors").read_bytes()[:100])
    other = make_run()
    other.resume()
    assert other.progress.step == 1
    assert f"{newest} is damaged and passed over" in (tmp_path / "logs" / "train.log").read_text()


def test_more_tokens_than_the_base_has_positions_are_refused():
    small = SimpleNamespace(max_position_embeddings=512)
    finetuning.refuse_too_long(Training(max_length=512), "gpt2", small)
    finetuning.refuse_too_long(Training(max_length=4096), "gpt2", SimpleNamespace())
    with pytest.raises(UserError, match="max_length is 513: gpt2 has 512 positions\n.*--training.max_length 512"):
        finetuning.refuse_too_long(Training(max_length=513), "gpt2", small)
