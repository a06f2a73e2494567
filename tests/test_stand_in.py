"""Stand-ins: the model that will be trained but for its numbers, and the micro-batches that are timed with it."""

import gc
import math
import os
import stat
from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer, FalconConfig, GPT2Config

from langlearn import cases, computing, finetuning, hardware, launch, model, reordered, stand_in
from langlearn.examples import shares, steps_of_epoch
from langlearn.trainlog import TrainLog

pytestmark = pytest.mark.usefixtures("plain_environment")
ALONE = launch.alone(torch.device("cpu"))


def test_seconds_of_the_missing_layers_are_those_of_one_more():
    assert stand_in.extrapolated((1, 2), (5.0, 7.0), 32) == 5 + 31 * 2
    assert stand_in.extrapolated((1, 3), (5.0, 9.0), 3) == 9
    assert stand_in.extrapolated((6,), (4.0,), 6) == 4


def test_a_fixed_time_for_each_micro_batch_is_told_from_the_time_for_a_token():
    line = [(n, 0.5 + 0.01 * n) for n in (50, 300, 400, 500, 520, 600, 900)]
    assert stand_in.seconds_per_token(line, [100] * 10) == pytest.approx(0.015)
    assert stand_in.seconds_per_token(line, [1000]) == pytest.approx(0.0105)
    assert stand_in.seconds_per_token([*line, (450, 60.0)], [100] * 10) == pytest.approx(0.015, rel=0.1)
    assert stand_in.seconds_per_token([(100, 2.0)], [50, 70]) == pytest.approx(0.02)
    assert stand_in.seconds_per_token([(100, 2.0), (100, 2.2), (100, 9.0)], [50]) == pytest.approx(0.022)
    for noise in ([(100, 2.0), (200, 1.0)], [(100, 1.0), (200, 3.0)]):  # never less than nothing
        paces = [seconds / tokens for tokens, seconds in noise]
        assert min(paces) <= stand_in.seconds_per_token(noise, [10, 1000]) <= max(paces)


def test_small_models_are_timed_whole_and_large_ones_by_a_layer():
    small = FalconConfig(vocab_size=100, hidden_size=64, num_hidden_layers=6, num_attention_heads=4)
    large = FalconConfig(vocab_size=100, hidden_size=4544, num_hidden_layers=32, num_attention_heads=71)
    assert stand_in.depths(small, "cpu") == stand_in.depths(small, "cuda") == (6,)
    assert stand_in.depths(large, "cpu") == stand_in.depths(large, "cuda") == (1, 2)


def test_what_the_driver_says_of_a_gpu_at_work_is_read(tmp_path, monkeypatch):
    program, work = tmp_path / "nvidia-smi", []
    program.write_text('#!/bin/sh\nsleep 0.2\n[ "$1" = --id=GPU-12 ] && echo 212.5 || echo "[N/A]"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert stand_in.watts_drawn("GPU-12", lambda: work.append(1)) == 212.5 and work
    assert stand_in.watts_drawn("GPU-13", lambda: None) is None
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stand_in.watts_drawn("GPU-12", lambda: None) is None


@pytest.mark.parametrize("other", [None, GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=400)])
@pytest.mark.parametrize("settings", [{"tokens_per_micro_batch": 200}, {"per_device_train_batch_size": 2}])
@pytest.mark.parametrize("ranks", [1, 2])
def test_micro_batches_are_cut_as_the_run_cuts_them(situation, monkeypatch, other, settings, ranks):
    monkeypatch.setenv("LANG_LEARN_RANKS", str(ranks))
    made, model_config, lesson, plan = situation(batch_size=6, **settings)
    plan = replace(plan, workers=1)
    model_config, lengths = other or model_config, lesson.lengths
    setup = computing.Setup.of(plan, made.training, model_config, lengths, ALONE.device)
    run = stand_in.build(plan, 1, made, model_config, lesson.curriculum, setup)
    expected = []
    for step in steps_of_epoch(len(lengths), 6, made.training.seed, 0):
        for share in shares([lesson.curriculum.example(i, 0) for i in step], ranks):
            for batch in run.batches(share, made.training.per_device_train_batch_size):
                expected.append(batch.tokens)
    found = list(stand_in.micro_batches_of(lengths, plan, made.training, model_config))
    assert [sum(lengths[i] for i in cases_) for cases_ in found] == expected
    assert sorted(i for cases_ in found for i in cases_) == list(range(len(lengths)))


def test_what_workers_compute_side_by_side_is_timed_together(situation):
    made, model_config, lesson, plan = situation(batch_size=6)
    lengths = lesson.lengths
    found = list(stand_in.micro_batches_of(lengths, replace(plan, workers=2), made.training, model_config))
    assert [sorted(step) for step in steps_of_epoch(len(lengths), 6, made.training.seed, 0)] == found


def test_of_a_long_step_parts_are_timed_that_are_alike(situation):
    made, model_config, lesson, plan = situation(batch_size=1000)
    lengths, plan = lesson.lengths, replace(plan, workers=2, tokens_per_micro_batch=300)
    parts = list(stand_in.micro_batches_of(lengths, plan, made.training, model_config))
    assert len(parts) == math.ceil(sum(lengths) / (stand_in.AT_MOST * 2 * 300)) > 1
    assert sorted(i for part in parts for i in part) == list(range(len(lengths)))
    tokens = [sum(lengths[i] for i in part) for part in parts]
    assert max(tokens) < 1.3 * min(tokens)


def test_of_a_step_with_a_small_budget_no_part_is_smaller_than_what_the_workers_take_at_once(situation):
    made, model_config, lesson, plan = situation(batch_size=1000)
    plan = replace(plan, workers=2, tokens_per_micro_batch=16)
    parts = list(stand_in.micro_batches_of(lesson.lengths, plan, made.training, model_config))
    assert min(map(len, parts)) >= 2 * stand_in.AT_MOST - 1


def test_the_micro_batches_that_are_timed_stand_for_where_the_tokens_are():
    lengths = [1000] * 10 + [1] * 90
    chosen, largest = stand_in.typical([[i] for i in range(100)], lengths)
    assert largest[0] < 10 and all(lengths[cases_[0]] == 1000 for cases_ in chosen)
    lengths = list(range(1, 101))
    chosen, largest = stand_in.typical([[i] for i in range(100)], lengths)
    assert largest == [99] and len({cases_[0] for cases_ in chosen}) == len(chosen) == len(stand_in.PLACES)
    below = sum(lengths[: chosen[0][0]])
    assert below < sum(lengths) / 2 <= below + lengths[chosen[0][0]]
    assert stand_in.typical([[0, 1]], [5, 5]) == ([[0, 1]], [0, 1])


@pytest.fixture
def about_to_train(tiny_falcon, tmp_path, monkeypatch):
    """What the real fine-tuning, with weights, is about to train: (model, setup)."""

    class Started(Exception):
        pass

    def start(tuned, curriculum, held_out, settings, setup, *more, **named):
        raise Started(tuned.train(), setup)

    def reach(made, plan, lesson):
        settings = replace(made.training, diagnostic_questions=[], output=str(tmp_path / "out"))
        made = replace(made, model=replace(made.model, base=str(tiny_falcon)), training=settings)
        corpus, tokenizer = cases.read(made.data), AutoTokenizer.from_pretrained(tiny_falcon)
        with monkeypatch.context() as patch, pytest.raises(Started) as started:
            patch.setattr(finetuning, "Run", start)
            finetuning.fine_tune(made, plan, ALONE, TrainLog(tmp_path, enabled=False), lesson, corpus, tokenizer, False)
        return started.value.args

    return reach


def has_copies(module) -> bool:
    return any(reordered.of(module, dtype) for dtype in (torch.bfloat16, torch.float32))


def description(tuned):
    modules = {name: (type(m), m.training, getattr(m, "gradient_checkpointing", None),
                      getattr(m, "compute_dtype", None), getattr(m, "support_avx512bf16_for_cpu", None),
                      has_copies(m))
               for name, m in tuned.named_modules()}  # fmt: skip
    parameters = {n: (p.shape, p.dtype, p.requires_grad) for n, p in tuned.named_parameters()}
    return modules, parameters, model.count_quantised(tuned)


@pytest.mark.parametrize("quantization, unpacked", [("nf4", True), ("nf4", False), ("none", False)])
@pytest.mark.parametrize(
    "settings",
    [{}, {"activation_checkpointing": "on", "tokens_per_micro_batch": 200}, {"per_device_train_batch_size": 2}],
)
def test_a_stand_in_is_what_will_be_trained_but_for_its_numbers(
    situation, about_to_train, quantization, unpacked, settings
):
    made, model_config, lesson, plan = situation(**settings)
    made.model.quantization = quantization
    plan = hardware.plan(made, plan.hardware, model_config, lesson.lengths, lesson.answers)
    assert plan.unpacked is (quantization == "nf4")
    plan = replace(plan, unpacked=unpacked)
    setup = computing.Setup.of(plan, made.training, model_config, lesson.lengths, ALONE.device)
    built = stand_in.build(plan, 2, made, model_config, lesson.curriculum, setup).model
    real, real_setup = about_to_train(made, plan, lesson)
    assert setup == real_setup and setup.fill.row > setup.fill.example > 1
    assert description(built) == description(real)
    assert any(map(has_copies, real.modules())) is plan.reordered
    ours, theirs = dict(built.named_parameters()), dict(real.named_parameters())
    name = "base_model.model.transformer.h.0.mlp.dense_h_to_4h.base_layer.weight"
    assert not torch.equal(ours[name], theirs[name])


def test_a_small_model_with_some_layers_computed_again_is_timed_as_it_is(situation):
    made, model_config, lesson, plan = situation()
    plan = replace(plan, recomputed_layers=1, workers=1)
    stand_ins = stand_in.StandIns(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE.device)
    [(share, [run])] = stand_ins.kinds
    assert share == 1 and model.recomputed(run.model) == 1


def test_a_large_model_with_some_layers_computed_again_is_timed_as_both_kinds(situation, monkeypatch):
    monkeypatch.setattr(stand_in, "depths", lambda *_: (1, 2))
    made, model_config, lesson, plan = situation()
    plan = replace(plan, recomputed_layers=1, workers=1)
    stand_ins = stand_in.StandIns(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE.device)
    assert [share for share, _ in stand_ins.kinds] == [0.5, 0.5]
    for (_, runs), counts in zip(stand_ins.kinds, ([0, 0], [1, 2]), strict=True):
        assert [model.recomputed(run.model) for run in runs] == counts
        for run, again in zip(runs, counts, strict=True):
            took = run.model.config.num_hidden_layers + again
            monkeypatch.setattr(run, "step", lambda _, run=run, took=took: setattr(run.progress, "seconds", took))
    assert stand_ins.step([0]) == 0.5 * 2 + 0.5 * 4


def test_fewer_layers_keep_everything_else(situation):
    made, model_config, lesson, plan = situation()
    setup = computing.Setup.of(plan, made.training, model_config, lesson.lengths, ALONE.device)
    one = stand_in.build(replace(plan, unpacked=False), 1, made, model_config, lesson.curriculum, setup).model
    assert len(one.get_base_model().transformer.h) == 1 and model_config.num_hidden_layers == 2
    assert model.count_quantised(one) == (4, 4)


def test_models_that_list_their_layers_can_be_cut(situation):
    from transformers import Qwen2Config

    made, _, lesson, plan = situation()
    listed = Qwen2Config(hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=400)  # fmt: skip
    assert len(listed.layer_types) == 4
    setup = computing.Setup.of(plan, made.training, listed, lesson.lengths, ALONE.device)
    run = stand_in.build(plan, 2, made, listed, lesson.curriculum, setup)
    run.step(lambda _: [lesson.curriculum.example(i, 0) for i in (0, 1)])
    assert run.progress.tokens == sum(lesson.lengths[:2])


@pytest.mark.parametrize("fails", [False, True])
def test_stand_ins_are_gone_when_memory_is_given_back(situation, monkeypatch, fails):
    collect, counts = gc.collect, []

    def count():
        collect()
        counts.append(sum(type(each) is stand_in.StandIns for each in gc.get_objects()))

    def evaluate(stand_ins, _):
        count()
        if fails:
            raise RuntimeError("no room")
        return 1.0

    monkeypatch.setattr(stand_in.StandIns, "evaluate", evaluate)
    monkeypatch.setattr(stand_in.StandIns, "answer", lambda *_: (1.0, 1.0))
    monkeypatch.setattr(gc, "collect", count)
    made, model_config, lesson, plan = situation()
    held_out = [lesson.curriculum.example(0, 0)]
    found = stand_in.measured(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE, held_out)
    assert (found.why, counts) == ("no room" if fails else "", [1, 0])


def test_where_answers_cannot_be_timed_training_is(situation, monkeypatch):
    def fails(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(stand_in.answer_pace, "of_a_batch", fails)
    made, model_config, lesson, plan = situation()
    found = stand_in.measured(
        plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE, lesson.held_out
    )  # fmt: skip
    assert found.per_token > 0 and found.evaluation > 0 and math.isnan(found.reading) and math.isnan(found.writing)


def test_ranks_that_share_a_gpu_share_its_time(situation):
    *_, plan = situation()
    card = hardware.Gpu("a card", (8, 6), 24 * hardware.GIB, 24 * hardware.GIB)
    for cards, ranks, times in ((1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 3, 2), (2, 4, 2), (0, 2, 1)):
        with_cards = replace(plan, ranks=ranks, hardware=replace(plan.hardware, gpus=(card,) * cards))
        assert stand_in.sharing(with_cards, ALONE) == times
        assert stand_in.sharing(with_cards, launch.Ranks(0, ranks, 0, ALONE.device)) == 1, "they are timed together"
