"""The predicted time: arithmetic, and plans made with real stand-ins. No test asks how fast this machine is."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from langlearn import computing, config, finetuning, hardware, launch, objective, pace, stand_in, training
from langlearn.examples import steps_of_epoch
from langlearn.trainlog import TrainLog

pytestmark = pytest.mark.usefixtures("plain_environment")
ALONE = launch.alone(torch.device("cpu"))
LENGTHS = [40 + 37 * n % 200 for n in range(21)]


def timed(made, model_config, lesson, plan, changes=False):
    arguments = made, model_config, lesson, ALONE
    plan = pace.timed(plan, *arguments)
    return pace.with_changes(plan, *arguments) if changes else plan


def a_pace(epochs=2.0, ranks=1, **more):
    settings = config.Training(batch_size=4, num_train_epochs=epochs)
    return replace(pace.Pace(0.01, 3.0, 1e-4, 0.02, 7, (2,), None, pace.Work.of(LENGTHS, settings, ranks)), **more)


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
    setup = computing.Setup.of(plan, made.training, model_config, lengths, ALONE.device)
    built = stand_in.build(plan, 1, made, model_config, lesson.curriculum, setup)
    run = training.Run(
        built.model, lesson.curriculum, lesson.held_out, made.training, setup, ALONE, TrainLog(ALONE, enabled=False),
        made.training.output, {},
    )  # fmt: skip
    run.save = lambda: None
    run.resume = lambda: None
    progress, work = run.train(), pace.Work.of(lengths, made.training, 1)
    assert (work.steps, len(work.busiest)) == (run.steps, run.steps_per_epoch)
    evaluated = [each["step"] for each in progress.evaluations]
    assert a_pace(work=work).evaluations() == len(evaluated)
    for done in range(1, work.steps + 1):
        assert a_pace(work=work).evaluations(done) == sum(step > done for step in evaluated)
    if epochs <= 1:  # later epochs draw other cases
        assert work.tokens_of(work.steps) == progress.tokens


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
    plan = hardware.plan(made, plan.hardware, model_config, lesson.lengths, lesson.answers)
    plan = timed(made, model_config, lesson, plan)
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
        rows = list(pace._changes(one, made, model_config, lesson, ALONE))
        assert any(name == "two such GPUs" for name, _, _ in rows) == offered
        if offered:
            assert rows[0][1] == f"about {pace.clock(slow.seconds() / 1.8)}"


def test_what_does_not_fit_is_not_offered(situation):
    made, model_config, lesson, plan = situation(retrieval_share=0.0, num_train_epochs=1.0,
                                                 activation_checkpointing="on")  # fmt: skip
    plan = replace(plan, pace=a_pace(), hardware=replace(plan.hardware, memory_free=hardware.GIB // 2))
    assert list(pace._changes(plan, made, model_config, lesson, ALONE)) == []


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


def test_the_end_of_a_run_shows_prediction_beside_outcome():
    run = {
        "steps": 330, "epochs": 2.0, "seconds": 151.0, "tokens_per_second": 2600.0, "peak_memory_bytes": 2**30,
        "plan": {"predicted_seconds": 140.2, "predicted_peak_bytes": 2**31},
        "final": {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 1e-4}, "evaluation": {"before": 5.0, "after": 4.0},
        "config": {"training": {"output": "out", "price_per_hour": 8.0}},
    }  # fmt: skip
    text = finetuning.closing(run)
    assert "in 2:31 (predicted 2:20): 2600 tokens/s\npeak memory 1.00 GiB (predicted 2.00)\n" in text
    assert "kWh" not in text and "/h" not in text
    text = finetuning.closing(run | {"kilowatt_hours": 0.123, "cost": 0.336} | {"plan": {}})
    assert "in 2:31: 2600" in text and "about 0.12 kWh, 0.34 at 8.00/h" in text
    assert "about 0.34 at 8.00/h" in finetuning.closing(run | {"cost": 0.336})


def test_two_ranks_measure_together_and_run_json_has_prediction_and_outcome(tiny_falcon, tiny_corpus, tmp_path):
    settings = {
        "profile": "tiny", "model.base": tiny_falcon, "data.cases": tiny_corpus,
        "training.output": tmp_path / "adapter", "index.folder": tmp_path / "index", "logs.folder": tmp_path / "logs",
        "training.batch_size": 4, "training.num_train_epochs": 0.5, "training.max_length": 256,
        "training.diagnostic_questions": "[]", "training.watts": 90, "training.price_per_hour": 8,
        "evaluation.cases": 0,
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
