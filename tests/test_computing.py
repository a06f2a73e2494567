"""How a run computes on this machine: what of a plan its micro-batches take."""

from dataclasses import replace

import pytest
import torch

from langlearn.computing import Setup

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("workers", "budget", "cases", "row"),
    [(1, 4096, None, 128), (2, 4096, None, 64), (2, 640, None, 64), (1, 4096, 2, 16)],
    ids=["a step", "half a step", "the budget", "two cases"],
)
def test_rows_are_filled_up_by_5_percent_of_what_they_hold(situation, workers, budget, cases, row):
    made, model_config, _, plan = situation(batch_size=16, per_device_train_batch_size=cases)
    plan = replace(plan, workers=workers, tokens_per_micro_batch=budget)
    setup = Setup.of(plan, made.training, model_config, [120, 160], CPU)
    assert setup.fill.row == row and setup.fill.example == 8
    assert Setup.of(replace(plan, device="cuda"), made.training, model_config, [120, 160], CPU).fill.row == 1
