"""An interrupted run goes on from what is on disk: checkpoints whole, few, and read back."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from langlearn import checkpoint, finetuning, model
from langlearn.cases import read
from langlearn.errors import UserError

ROOT = Path(__file__).parent.parent


def test_more_layers_computed_again_are_kept_by_a_run_that_goes_on(make_run):
    run, other = make_run(), make_run()
    assert model.recompute_all(run.model) and not model.recompute_all(run.model)
    run.step()
    run.save()
    other.resume()
    assert other.progress.step == 1 and model.recomputed(other.model) == model.recomputed(run.model) == 2


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


def test_a_checkpoint_goes_on_with_the_optimizer_that_was_chosen_whoever_chose_it(situation):
    made, *_, plan = situation()
    corpus = read(made.data)

    def known(asked, chosen):
        made.training.optimizer = asked
        return finetuning.fingerprint(made, corpus, {"sha256": "0"}, replace(plan, optimizer=chosen))

    assert known("auto", "adamw") == known("adamw", "adamw")
    differing = dict(known("auto", "adamw").items() ^ known("auto", "paged_adamw_8bit").items())
    assert list(differing) == ["training.optimizer"]


def test_how_far_an_interrupted_run_came_is_known_before_anything_is_loaded(situation, tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning.model, "base_identity", lambda _: {"sha256": "0"})
    made, *_, plan = situation()
    corpus, made.training.output = read(made.data), str(tmp_path / "adapter")

    assert finetuning.interrupted(made, corpus, plan) == (0, "")
    mine = finetuning.fingerprint(made, corpus, {"sha256": "0"}, plan)
    folder = checkpoint.checkpoints_of(tmp_path / "adapter")
    for step in (3, 5):
        checkpoint.save(folder / f"step-{step:08d}", {}, {"fingerprint": mine, "progress": {"step": step}})
    assert finetuning.interrupted(made, corpus, plan) == (5, "")
    (folder / "step-00000005" / "meta.json").write_text("{")
    assert finetuning.interrupted(made, corpus, plan) == (3, "")
    made.training.learning_rate *= 2
    done, refused = finetuning.interrupted(made, corpus, plan)
    assert done == 0 and refused.startswith(f"{folder} holds an interrupted run with training.learning_rate")


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


def test_two_runs_never_train_into_one_folder(tmp_path):
    output = tmp_path / "adapter"
    with checkpoint.alone(output):
        code = "import sys; from pathlib import Path; from langlearn import checkpoint, errors\n"
        code += "def main(argv):\n    with checkpoint.alone(Path(argv[0])): print('trains')\nerrors.run(main)"
        command = [sys.executable, "-c", code]
        second = subprocess.run([*command, str(output)], capture_output=True, text=True, cwd=ROOT)
        other = subprocess.run([*command, str(tmp_path / "other")], capture_output=True, text=True, cwd=ROOT)
    assert second.returncode == 2 and len(second.stderr.splitlines()) == 2
    assert second.stderr.startswith(f"error: another run is training into {output}\n")
    assert other.stdout == "trains\n"
    assert list(tmp_path.iterdir()) == [], "nothing is left where nothing was kept"
    assert subprocess.run([*command, str(output)], capture_output=True, text=True, cwd=ROOT).stdout == "trains\n"


def test_what_is_kept_stays_when_the_run_ends_and_goes_when_it_is_dropped(tmp_path):
    output = tmp_path / "adapter"
    folder = checkpoint.checkpoints_of(output)
    with pytest.raises(KeyboardInterrupt), checkpoint.alone(output):
        checkpoint.save(folder / "step-00000003", {"x": torch.ones(2)}, {})
        (folder / "before.json").write_text("{}")
        raise KeyboardInterrupt
    assert {path.name for path in folder.iterdir()} == {"step-00000003", "before.json"}
    with checkpoint.alone(output):
        checkpoint.drop(folder)
        with pytest.raises(UserError), checkpoint.alone(output):
            pass
    assert list(tmp_path.iterdir()) == []
