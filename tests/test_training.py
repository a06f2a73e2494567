"""The run's own promises, in one process: memory that runs out, early stopping, schedules."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from langlearn import finetuning, lora, model, objective, optimization
from langlearn.config import Training
from langlearn.errors import UserError


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


def test_the_metrics_never_hold_the_text_of_a_case(make_run, tmp_path):
    make_run(num_train_epochs=1).train()
    for line in (tmp_path / "logs" / "metrics.jsonl").read_text().splitlines():
        assert not any(isinstance(v, str) and v not in ("step", "evaluation") for v in json.loads(line).values())
    assert "day 1" not in (tmp_path / "logs" / "train.log").read_text()


def test_a_run_that_diverges_stops_and_says_what_to_change(make_run):
    run = make_run(learning_rate=0.5)
    with torch.no_grad():
        next(iter(run.parameters.values())).fill_(float("nan"))
    with pytest.raises(UserError, match="step 1 is nan: training.learning_rate 0.5.*\n.*--fresh"):
        run.step()
    assert run.progress.step == 0


def test_more_tokens_than_the_base_has_positions_are_refused():
    small = SimpleNamespace(max_position_embeddings=512)
    finetuning.refuse_too_long(Training(max_length=512), "gpt2", small)
    finetuning.refuse_too_long(Training(max_length=4096), "gpt2", SimpleNamespace())
    with pytest.raises(UserError, match="max_length is 513: gpt2 has 512 positions\n.*--training.max_length 512"):
        finetuning.refuse_too_long(Training(max_length=513), "gpt2", small)
