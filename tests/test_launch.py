"""A plain `python script.py` becomes several ranks that work as one and end as one: two real processes over gloo."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import torch

from langlearn import config, launch, machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions of POSIX")

SCRIPT = """
import os, sys, threading
import torch
from langlearn import errors, launch, machine

def main(argv):
    launch.relaunch_if_needed(machine.describe())
    ranks = launch.init()
    show = lambda *what: print(*what, flush=True) if ranks.is_main else None
    task = argv[0]
    if task == "together":
        show("sum", launch.sum_across(ranks, torch.tensor([1.0, ranks.rank])).tolist())
        show("any", launch.any_rank(ranks, ranks.rank == 1, False))
        sent = launch.broadcast_object(ranks, {"text": "\\u00e9", "list": [1, None]} if ranks.is_main else None)
        if sent != {"text": "\\u00e9", "list": [1, None]}:
            raise AssertionError(sent)
        show("place", ranks.rank, ranks.world_size, ranks.device, os.environ["OMP_NUM_THREADS"])
        show("argv", argv[1:])
        launch.barrier(ranks)
    if task == "refuse" and ranks.rank == 1:
        raise errors.UserError("rank one: mend it")
    if task == "killed" and ranks.rank == 1:
        os.kill(os.getpid(), 9)
    if task in ("refuse", "killed"):
        launch.barrier(ranks)
        launch.barrier(ranks)
    if task == "endless":
        try:
            launch.barrier(ranks)  # both are in here before anyone interrupts
            show("ready", os.getpid())
            threading.Event().wait()
        except KeyboardInterrupt:
            show("rank 0 saves")
            launch.barrier(ranks)  # over the other rank: both got here
            raise
    launch.finish()

errors.run(main)
"""

WITHOUT_LIBUV = """
import torch.distributed as dist
from torch.distributed import rendezvous
from torch.distributed.elastic.rendezvous import c10d_rendezvous_backend, static_tcp_rendezvous

class Store(dist.TCPStore):
    def __init__(self, *given, use_libuv=True, **named):
        if use_libuv:
            raise RuntimeError("use_libuv was requested but PyTorch was built without libuv support")
        super().__init__(*given, use_libuv=False, **named)

for module in (dist, rendezvous, c10d_rendezvous_backend, static_tcp_rendezvous):
    module.TCPStore = Store

from types import SimpleNamespace
from langlearn import launch
launch.sys = SimpleNamespace(**vars(launch.sys) | {"platform": "win32"})
"""


@pytest.fixture
def start(tmp_path):
    """Starts the script with two ranks, and ends what is left of it."""
    path, started = tmp_path / "script.py", []

    def run(*arguments, before="", **variables):
        path.write_text(before + SCRIPT, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(config.ROOT), "LANG_LEARN_RANKS": "2", **variables}
        environment.pop("OMP_NUM_THREADS", None)
        process = subprocess.Popen(
            [sys.executable, path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, cwd=tmp_path, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until_ready(process) -> None:
    line = process.stdout.readline()
    assert line.startswith("ready"), line + process.stderr.read()


def test_two_ranks_sum_agree_and_share(start):
    process = start("together", "--with space", "x")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    threads = max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else os.cpu_count() // 2
    assert out.splitlines() == [
        "sum [2.0, 1.0]", "any [True, False]", f"place 0 2 cpu {threads}", "argv ['--with space', 'x']",
    ]  # fmt: skip


def test_ranks_meet_without_libuv_as_on_windows(start):
    process = start("together", before=WITHOUT_LIBUV, USE_LIBUV="0")  # what a rank assumes there
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err, out.splitlines()[0]) == (0, "", "sum [2.0, 1.0]")


def test_one_rank_needs_no_other():
    ranks = launch.alone(torch.device("cpu"))
    assert ranks.is_main
    assert launch.any_rank(ranks, True, False) == [True, False]
    assert launch.sum_across(ranks, torch.ones(2)).tolist() == [1, 1]
    assert launch.broadcast_object(ranks, {"a": 1}) == {"a": 1}
    launch.barrier(ranks)
    launch.finish()


def test_the_exit_code_and_the_words_of_the_rank_that_fails_are_those_of_the_command(start):
    process = start("refuse")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (2, "error: rank one: mend it\n")


def test_a_killed_rank_ends_the_command_with_a_word_on_why(start):
    process = start("killed")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.startswith("error: rank 1 was ended by SIGKILL") and len(err.splitlines()) == 2


def test_ctrl_c_lets_the_ranks_save_together_and_ends_with_130(start):
    process = start("endless")
    until_ready(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == "rank 0 saves\n" and err == "interrupted; the same command resumes where it stopped\n"


def test_no_rank_outlives_a_killed_launcher(start):
    process = start("endless")
    until_ready(process)
    ranks = psutil.Process(process.pid).children()
    assert len(ranks) == 2
    process.kill()
    process.wait()
    assert psutil.wait_procs(ranks, timeout=60)[1] == []


def test_ranks_that_torchrun_started_are_used_as_they_are(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(config.ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("LANG_LEARN_RANKS", None)
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py", "together"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sum [2.0, 1.0]" in done.stdout and done.stdout.count("place") == 1


@pytest.mark.parametrize(
    "gpus, local_rank, device", [(0, 1, "cpu"), (2, 1, "cuda:1"), (1, 1, "cuda:0"), (2, 3, "cuda:1")]
)
def test_ranks_take_the_visible_gpus_in_turn(monkeypatch, gpus, local_rank, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    assert str(machine.own_device()) == device
