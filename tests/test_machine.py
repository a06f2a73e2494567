"""This machine as it is described, and its memory as it is kept and given back."""

import json
import os
import platform
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from cards import A100, H200, P40, RTX_3060, computer

from langlearn import config, hardware, machine
from langlearn.errors import UserError

pytestmark = pytest.mark.usefixtures("plain_environment")
ROOT = Path(__file__).parent.parent
ON_GLIBC = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc gives memory back so"
)


def test_kernels_run_on_their_own_generation_and_intermediate_code_on_later_ones():
    assert machine.runs_on(RTX_3060, ("sm_80",)) and not machine.runs_on(RTX_3060, ("sm_75", "sm_90"))
    assert not machine.runs_on(A100, ("sm_86",)) and machine.runs_on(P40, ("sm_60",))
    assert machine.runs_on(H200, ("sm_80", "compute_80")) and not machine.runs_on(RTX_3060, ("compute_90",))
    assert machine.runs_on(H200, ("sm_90a",))


def test_ranks_come_from_the_launcher_or_the_visible_gpus(monkeypatch):
    assert hardware.rank_count(computer(RTX_3060, RTX_3060)) == 2 and hardware.rank_count(computer()) == 1
    monkeypatch.setenv("LANG_LEARN_RANKS", "3")
    assert hardware.rank_count(computer(RTX_3060)) == 3
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert hardware.rank_count(computer(RTX_3060)) == 4
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv("LANG_LEARN_RANKS", "two")
    with pytest.raises(UserError, match="LANG_LEARN_RANKS is 'two'"):
        hardware.rank_count(computer())


def test_this_machine_is_described_as_it_is():
    here = hardware.describe()
    assert here.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert 1 <= here.cores <= os.cpu_count()
    assert 0 < here.memory_free <= here.memory <= psutil.virtual_memory().total
    assert json.loads(json.dumps(here.as_dict()))["torch_version"] == torch.__version__


def test_a_container_is_taken_at_its_limits(tmp_path):
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder, limit, anonymous, cpu in ((inner, "max", 5, "max 100000"), (outer, "1000", 300, "150000 100000")):
        folder.mkdir()
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.stat").write_text(f"anon {anonymous}\nfile 600\n")
        (folder / "cpu.max").write_text(cpu + "\n")
    assert machine.container_memory([inner, outer]) == (1000, 300)
    assert machine.container_memory([inner]) == (None, 0) == machine.container_memory([tmp_path / "absent"])
    assert machine.container_cores([inner, outer]) == 1
    assert machine.container_cores([inner]) == machine.container_cores([])


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
def test_free_gpu_memory_is_read_from_the_driver(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU-1234-ab, 11000'\necho 'GPU-5678-cd, [N/A]'\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.free_by_uuid() == {"1234-ab": 11000 * 2**20}
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.free_by_uuid() == {}


def test_the_profile_follows_the_gpu_and_says_why():
    assert hardware.choose_profile("mine") == ("mine", "asked for")
    name, reason = hardware.choose_profile("auto")
    assert name == ("falcon-7b" if torch.cuda.is_available() else "tiny") and reason
    script = "from langlearn import machine; print(machine.choose_profile('auto'))"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment,
                           cwd=config.ROOT)  # fmt: skip
    assert shown.stdout.strip() == "('tiny', 'CUDA_VISIBLE_DEVICES hides every GPU')"


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pages of files do count")
def test_what_is_mapped_of_files_is_no_part_of_the_peak_and_what_was_held_before_is(tmp_path):
    code = """
import mmap, sys, torch
from langlearn.machine import files_not_counted, peak_memory
peaks = []
def note(): peaks.append(peak_memory(torch.device("cpu")) >> 20)
note()
torch.ones(30 * 2**18), note()
with files_not_counted(), open(sys.argv[1], "rb") as file:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        sum(pages[at] for at in range(0, len(pages), 4096))
note()
torch.ones(200 * 2**18), note()
print(*(later - earlier for earlier, later in zip(peaks, peaks[1:])))
"""
    (tmp_path / "weights").write_bytes(bytes(200 << 20))
    command = [sys.executable, "-c", code, str(tmp_path / "weights")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    before, mapped, after = map(int, done.stdout.split())
    assert before > 20 and abs(mapped) < 10 and after > 150  # MiB
