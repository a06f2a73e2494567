"""The predicted time: real stand-ins on a real small Falcon, and arithmetic. No test asks how fast this machine is."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer, FalconConfig, GPT2Config

from langlearn import cases, config, finetuning, hardware, launch, model, objective, pace, stand_in, training
from langlearn.examples import shares, steps_of_epoch
from langlearn.trainlog import TrainLog

LENGTHS = [40 + 37 * n % 200 for n in range(21)]
ALONE = launch.Ranks(0, 1, 0, torch.device("cpu"))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "LANG_LEARN_RANKS", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def base(tiny_falcon, tmp_path):
    """The small Falcon's folder without its weights: whoever loads them fails."""
    folder = tmp_path / "weightless"
    folder.mkdir()
    for file in tiny_falcon.iterdir():
        if file.suffix == ".json":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def situation(base, tiny_corpus):
    """Makes (config, the model's config, lesson, plan) from training settings, as the script does."""

    def make(**settings):
        made = config.Config(model=config.Model(base=str(base)), profile="tiny")
        made.profile_reason, made.data.cases = "asked for", str(tiny_corpus)
        settings = {"batch_size": 4, "num_train_epochs": 2.0, "max_length": 256, **settings}
        made.training = replace(made.training, **settings)
        corpus = cases.read(made.data)
        train, held_out = cases.split(corpus, made.data.train_share, made.data.seed)
        tokenizer, model_config = AutoTokenizer.from_pretrained(base), model.load_config(made.model)
        lesson = finetuning.prepare(made, corpus, train, held_out, tokenizer, with_neighbours=False)
        return made, model_config, lesson, hardware.plan(made, hardware.describe(), model_config, lesson.lengths)

    return make


def timed(made, model_config, lesson, plan, **options):
    return pace.timed(plan, made, model_config, lesson, lesson.lengths, ALONE, **options)


def a_pace(epochs=2.0, ranks=1, **more):
    settings = config.Training(batch_size=4, num_train_epochs=epochs)
    return replace(pace.Pace(0.01, 3.0, 7, (2,), None, pace.Work.of(LENGTHS, settings, ranks)), **more)


# Arithmetic -----------------------------------------------------------------------------------------------------------


def test_twice_the_epochs_take_twice_the_time_and_an_epoch_takes_as_long_as_ever():
    assert a_pace(4).seconds() == pytest.approx(2 * a_pace(2).seconds())
    assert a_pace(2).seconds() == pytest.approx(0.01 * 2 * sum(LENGTHS))
    assert a_pace(4).seconds_per_epoch == a_pace(0.5).seconds_per_epoch == pytest.approx(0.01 * sum(LENGTHS))
    assert a_pace(2).tokens_per_second == pytest.approx(100)


def test_a_part_of_an_epoch_is_its_first_steps():
    order = steps_of_epoch(len(LENGTHS), 4, config.Training().seed, 0)
    assert a_pace(0.5).seconds() == pytest.approx(0.01 * sum(LENGTHS[i] for step in order[:3] for i in step))
    assert a_pace(2).seconds(steps=7) == pytest.approx(0.01 * (sum(LENGTHS) + sum(LENGTHS[i] for i in order[0])))


def test_of_two_ranks_the_one_with_more_to_do_sets_the_time():
    uneven = pace.Work.of([100, 10, 10, 100], config.Training(batch_size=2, num_train_epochs=1, seed=3), ranks=2)
    order = steps_of_epoch(4, 2, 3, 0)
    assert uneven.busiest == tuple(max([100, 10, 10, 100][i] for i in step) for step in order)
    assert uneven.tokens == 220
    assert 0.5 * a_pace().seconds() < a_pace(ranks=2).seconds() < 0.75 * a_pace().seconds()
    assert 1.3 < a_pace(ranks=2).tokens_per_second / a_pace().tokens_per_second < 2


@pytest.mark.parametrize("epochs", [0.2, 1.0, 1.5, 3.0])
def test_the_steps_and_evaluations_are_those_of_the_run(epochs, situation):
    made, model_config, lesson, plan = situation(num_train_epochs=epochs, early_stopping_patience=0)
    lengths = lesson.lengths
    setup = training.setup_of(plan, made.training, model_config, lengths, ALONE.device)
    built = stand_in.build(plan, 1, made, model_config, lesson.curriculum, setup)
    run = training.Run(
        built.model, lesson.curriculum, lesson.held_out, made.training, setup, ALONE, TrainLog(ALONE, enabled=False),
        made.training.output, {},
    )  # fmt: skip
    run.save = lambda: None
    run.resume = lambda: None
    progress, work = run.train(), pace.Work.of(lengths, made.training, 1)
    assert (work.steps, len(work.busiest)) == (run.steps, run.steps_per_epoch)
    assert a_pace(work=work).evaluations == len(progress.evaluations)
    if epochs <= 1:  # later epochs draw other cases
        assert work.tokens_of(work.steps) == progress.tokens


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


def test_energy_and_cost_are_told_where_they_are_given():
    settings = config.Training()
    assert pace.bill(1800, a_pace(), settings) == pace.bill(1800, None, settings) == {}
    assert pace.bill(1800, a_pace(watts=240.0), settings) == {"kilowatt_hours": pytest.approx(0.12)}
    assert pace.bill(1800, None, replace(settings, watts=240.0)) == {"kilowatt_hours": pytest.approx(0.12)}
    assert pace.bill(1800, a_pace(), replace(settings, price_per_hour=8.0)) == {"cost": 4.0}
    assert pace.bill(1800, a_pace(), replace(settings, price_per_hour=0.0)) == {"cost": 0.0}
    assert [name for name, _, _ in a_pace().rows(settings, 2)] == ["an epoch", "training"]
    rows = a_pace(watts=240.0).rows(replace(settings, price_per_hour=8.0), 2)
    seconds = a_pace().seconds()
    assert [row[:2] for row in rows[2:]] == [
        ("energy", f"{seconds * 240 / 3.6e6:.2g} kWh"), ("cost", f"{seconds / 3600 * 8:.2f}"),
    ]  # fmt: skip


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


# Micro-batches and stand-ins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [None, GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=400)])
@pytest.mark.parametrize("settings", [{"tokens_per_micro_batch": 200}, {"per_device_train_batch_size": 2}])
@pytest.mark.parametrize("ranks", [1, 2])
def test_micro_batches_are_cut_as_the_run_cuts_them(situation, monkeypatch, other, settings, ranks):
    monkeypatch.setenv("LANG_LEARN_RANKS", str(ranks))
    made, model_config, lesson, plan = situation(batch_size=6, **settings)
    plan = replace(plan, workers=1)
    model_config, lengths = other or model_config, lesson.lengths
    setup = training.setup_of(plan, made.training, model_config, lengths, ALONE.device)
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
        made = replace(made, model=replace(made.model, base=str(tiny_falcon)),
                       training=replace(made.training, diagnostic_questions=[], output=str(tmp_path / "out")))  # fmt: skip
        corpus, tokenizer = cases.read(made.data), AutoTokenizer.from_pretrained(tiny_falcon)
        with monkeypatch.context() as patch, pytest.raises(Started) as started:
            patch.setattr(finetuning, "Run", start)
            finetuning.fine_tune(made, plan, ALONE, TrainLog(tmp_path, enabled=False), lesson, corpus, tokenizer, False)
        return started.value.args

    return reach


def description(tuned):
    modules = {name: (type(m), m.training, getattr(m, "gradient_checkpointing", None),
                      getattr(m, "compute_dtype", None), getattr(m, "support_avx512bf16_for_cpu", None))
               for name, m in tuned.named_modules()}  # fmt: skip
    parameters = {n: (p.shape, p.dtype, p.requires_grad) for n, p in tuned.named_parameters()}
    return modules, parameters, model.count_quantised(tuned)


@pytest.mark.parametrize("quantization, unpacked", [("nf4", True), ("nf4", False), ("none", False)])
@pytest.mark.parametrize(
    "settings", [{}, {"activation_checkpointing": "on", "tokens_per_micro_batch": 200}, {"per_device_train_batch_size": 2}]
)
def test_a_stand_in_is_what_will_be_trained_but_for_its_numbers(
    situation, about_to_train, quantization, unpacked, settings
):
    made, model_config, lesson, plan = situation(**settings)
    made.model.quantization = quantization
    plan = hardware.plan(made, plan.hardware, model_config, lesson.lengths)
    assert plan.unpacked is (quantization == "nf4")
    plan = replace(plan, unpacked=unpacked)
    setup = training.setup_of(plan, made.training, model_config, lesson.lengths, ALONE.device)
    built = stand_in.build(plan, 2, made, model_config, lesson.curriculum, setup).model
    real, real_setup = about_to_train(made, plan, lesson)
    assert setup == real_setup and setup.fill.row > setup.fill.example > 1
    assert description(built) == description(real)
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
    setup = training.setup_of(plan, made.training, model_config, lesson.lengths, ALONE.device)
    one = stand_in.build(replace(plan, unpacked=False), 1, made, model_config, lesson.curriculum, setup).model
    assert len(one.get_base_model().transformer.h) == 1 and model_config.num_hidden_layers == 2
    assert model.count_quantised(one) == (4, 4)


def test_models_that_list_their_layers_can_be_cut(situation):
    from transformers import Qwen2Config

    made, _, lesson, plan = situation()
    listed = Qwen2Config(hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=400)  # fmt: skip
    assert len(listed.layer_types) == 4
    setup = training.setup_of(plan, made.training, listed, lesson.lengths, ALONE.device)
    run = stand_in.build(plan, 2, made, listed, lesson.curriculum, setup)
    run.step(lambda _: [lesson.curriculum.example(i, 0) for i in (0, 1)])
    assert run.progress.tokens == sum(lesson.lengths[:2])


# The plan -------------------------------------------------------------------------------------------------------------


def test_the_plan_tells_the_time_before_any_weight_is_loaded(situation):
    made, model_config, lesson, plan = situation(price_per_hour=8.0, watts=90.0)
    assert plan.pace is None
    plan = timed(made, model_config, lesson, plan)
    text = plan.table()
    assert max(map(len, text.splitlines())) <= 80
    for row in ("an epoch", "training", "energy", "cost"):
        assert f"\n{row} " in text
    assert plan.pace.layers == (2,) and "timed on all 2 layers" in " ".join(text.split())
    kept = json.loads(json.dumps(plan.as_dict()))
    assert kept["predicted_seconds"] == pytest.approx(2 * kept["predicted_seconds_per_epoch"])
    assert kept["predicted_seconds_per_epoch"] == pytest.approx(plan.pace.per_token * sum(lesson.lengths))
    assert kept["predicted_tokens_per_second"] == pytest.approx(1 / plan.pace.per_token)
    half = plan.as_dict(steps=plan.pace.work.steps // 2)
    assert half["predicted_seconds"] == pytest.approx(kept["predicted_seconds"] / 2)
    assert plan.pace.evaluation > 0 and 1 <= plan.pace.timed <= len(stand_in.PLACES)


def test_a_large_model_is_timed_by_one_layer_and_two(situation, monkeypatch):
    monkeypatch.setitem(stand_in.PARAMETERS, "cpu", 1)
    made, model_config, lesson, plan = situation()
    model_config.num_hidden_layers = 40
    plan = timed(made, model_config, lesson, hardware.plan(made, plan.hardware, model_config, lesson.lengths))
    assert plan.pace.layers == (1, 2) and plan.pace.per_token > 0
    assert "timed on 1 and 2 of 40 layers" in " ".join(plan.table().split())


def test_what_would_change_the_time_is_measured_or_counted(situation):
    made, model_config, lesson, plan = situation(max_length=512)
    plan = timed(made, model_config, lesson, plan, changes=True)
    named = {name: (value, how) for name, value, how in plan.changes}
    assert list(named) == ["recompute on", "no retrieval", "one epoch"]
    assert "training.retrieval_share: 0;" in named["no retrieval"][1]
    alone = [len(lesson.curriculum.encoder.example(c).input_ids) for c in lesson.curriculum.cases]
    assert f" {sum(alone) / len(alone):.0f} tokens a case" in named["no retrieval"][1]
    assert sum(alone) < sum(lesson.lengths)
    assert all("peak memory" in named[name][1] for name in ("recompute on", "no retrieval"))
    assert max(map(len, plan.table().splitlines())) <= 80

    made, model_config, lesson, plan = situation(
        retrieval_share=0.0, num_train_epochs=1.0, activation_checkpointing="on"
    )  # fmt: skip
    assert [name for name, _, _ in timed(made, model_config, lesson, plan, changes=True).changes] == ["recompute off"]


def test_a_second_gpu_is_offered_where_there_is_one(situation):
    made, model_config, lesson, plan = situation(retrieval_share=0.0)
    slow = replace(a_pace(), per_token=1.0)
    for device, ranks, offered in (("cuda", 1, True), ("cuda", 2, False), ("cpu", 1, False)):
        one = replace(plan, device=device, ranks=ranks, pace=slow)
        rows = list(pace._changes(one, made, model_config, lesson.curriculum, lesson.lengths, ALONE))
        assert any(name == "two such GPUs" for name, _, _ in rows) == offered
        if offered:
            assert rows[0][1] == f"about {pace.clock(slow.seconds() / 1.8)}"


def test_what_does_not_fit_is_not_offered(situation):
    made, model_config, lesson, plan = situation(retrieval_share=0.0, num_train_epochs=1.0,
                                                 activation_checkpointing="on")  # fmt: skip
    plan = replace(plan, pace=a_pace(), hardware=replace(plan.hardware, memory_free=hardware.GIB // 2))
    assert list(pace._changes(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE)) == []


def test_a_time_that_cannot_be_measured_stops_nothing(situation, monkeypatch):
    def scarce(tuned, batch):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(objective, "answer_loss", scarce)
    made, model_config, lesson, plan = situation()
    plan = timed(made, model_config, lesson, plan, changes=True)
    assert plan.pace is None and plan.reasons[-1][:2] == ("training", "not predicted") and not plan.changes
    assert "memory" in plan.reasons[-1][2] and "predicted_seconds" not in plan.as_dict()


def test_a_plan_for_several_ranks_is_timed_on_the_cores_that_each_will_have(situation, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LANG_LEARN_RANKS", "2")
    made, model_config, lesson, plan = situation()
    plan, seen = replace(plan, hardware=replace(plan.hardware, cores=6)), []
    step = stand_in.StandIns.step
    monkeypatch.setattr(
        stand_in.StandIns, "step", lambda self, c: seen.append(torch.get_num_threads()) or step(self, c)
    )
    before = torch.get_num_threads()
    timed(made, model_config, lesson, plan)
    assert set(seen) == {3} and torch.get_num_threads() == before


def test_ranks_that_share_a_gpu_share_its_time(situation):
    *_, plan = situation()
    card = hardware.Gpu("a card", (8, 6), 24 * hardware.GIB, 24 * hardware.GIB)
    for cards, ranks, times in ((1, 1, 1), (1, 2, 2), (2, 2, 1), (2, 3, 2), (2, 4, 2), (0, 2, 1)):
        with_cards = replace(plan, ranks=ranks, hardware=replace(plan.hardware, gpus=(card,) * cards))
        assert stand_in.sharing(with_cards, ALONE) == times
        assert stand_in.sharing(with_cards, launch.Ranks(0, ranks, 0, ALONE.device)) == 1, "they are timed together"


def test_the_end_of_a_run_shows_prediction_beside_outcome():
    run = {
        "steps": 330, "epochs": 2.0, "seconds": 151.0, "tokens_per_second": 2600.0, "peak_memory_bytes": 2**30,
        "plan": {"predicted_seconds": 140.2, "predicted_peak_bytes": 2**31},
        "final": {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 1e-4}, "evaluation": {"before": 5.0, "after": 4.0},
        "config": {"training": {"output": "out", "price_per_hour": 8.0}},
    }  # fmt: skip
    text = finetuning.closing(run)
    assert "in 2:31 (predicted 2:20): 2600 tokens/s, peak memory 1.00 GiB (predicted 2.00)" in text
    assert "kWh" not in text and "/h" not in text
    text = finetuning.closing(run | {"kilowatt_hours": 0.123, "cost": 0.336} | {"plan": {}})
    assert "in 2:31: 2600" in text and "about 0.12 kWh, 0.34 at 8.00/h" in text
    assert "about 0.34 at 8.00/h" in finetuning.closing(run | {"cost": 0.336})


def test_two_ranks_measure_together_and_run_json_has_prediction_and_outcome(tiny_falcon, tiny_corpus, tmp_path):
    settings = {
        "profile": "tiny", "model.base": tiny_falcon, "data.cases": tiny_corpus, "training.output": tmp_path / "adapter",
        "training.batch_size": 4, "training.num_train_epochs": 0.5, "training.max_length": 256,
        "training.diagnostic_questions": "[]", "training.watts": 90, "training.price_per_hour": 8, "evaluation.cases": 0,
        "index.folder": tmp_path / "index", "logs.folder": tmp_path / "logs",
    }  # fmt: skip
    flags = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "LANG_LEARN_RANKS": "2"}
    done = subprocess.run([sys.executable, config.ROOT / "medical_diagnosis_gpu.py", *flags], capture_output=True,
                          text=True, env=environment, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "adapter" / "run.json").read_text())
    assert run["plan"]["predicted_seconds"] > 0 and run["plan"]["pace"]["steps"] == run["steps"]
    assert run["cost"] == pytest.approx(run["seconds"] / 3600 * 8)
    assert run["kilowatt_hours"] == pytest.approx(run["seconds"] * 90 / 3.6e6)
    assert "(predicted 0:0" in done.stdout and " at 8.00/h" in done.stdout
