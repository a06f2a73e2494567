"""What this machine is: GPUs, cores, memory, and what torch can do with them."""

import ctypes
import gc
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch

from langlearn.errors import UserError

GIB = 2**30
CUDA_CONTEXT = int(0.6 * GIB)  # what a process takes of a GPU before it allocates anything
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_most_before_files = 0  # bytes, see files_not_counted
NO_GLIBC = (OSError, TypeError, AttributeError)  # what asking for its functions raises on another system


@dataclass(frozen=True)
class Gpu:
    """A visible CUDA GPU; `free` is what other programs leave of `total` (bytes), the most that this process may
    take."""

    name: str
    capability: tuple[int, int]
    total: int
    free: int


@dataclass(frozen=True)
class Hardware:
    """This machine, as far as a plan depends on it. `bf16_unit` names what computes bfloat16 on this CPU, if anything;
    `memory` and `memory_free` (bytes) and `cores` are what this process may use; `arches` are torch's CUDA kernels."""

    device: str
    gpus: tuple[Gpu, ...]
    cores: int
    memory: int
    memory_free: int
    bf16_unit: str | None
    torch_version: str
    arches: tuple[str, ...]

    def as_dict(self) -> dict:
        return asdict(self)

    def __str__(self) -> str:
        cpu = f"CPU, {self.cores} cores, {self.memory / GIB:.0f} GiB"
        names = [f"{gpu.name} ({gpu.total / GIB:.0f} GiB)" for gpu in self.gpus]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or cpu


def choose_profile(name: str) -> tuple[str, str]:
    """(profile, why): `auto` becomes falcon-7b where a CUDA GPU is visible and tiny elsewhere."""
    if name != "auto":
        return name, "asked for"
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        return "falcon-7b", f"{count} CUDA GPU{'s are' if count > 1 else ' is'} visible"
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        return "tiny", f"an NVIDIA driver is here, but this torch ({torch.__version__}) is a CPU build"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "tiny", "CUDA_VISIBLE_DEVICES hides every GPU"
    return "tiny", "no CUDA GPU is visible"


def describe() -> Hardware:
    """This machine as it is now. Opens no CUDA context: the ranks, not their launcher, use the GPUs."""
    gpus = []
    if torch.cuda.is_available():
        free = free_by_uuid()
        for number in range(torch.cuda.device_count()):
            each = torch.cuda.get_device_properties(number)
            total = _allowed(number, each.total_memory)
            gpus.append(Gpu(each.name, (each.major, each.minor), total, min(free.get(str(each.uuid), total), total)))
    groups = _control_groups()
    limit, used = container_memory(groups)
    machine = psutil.virtual_memory()
    return Hardware(
        device="cuda" if gpus else "cpu",
        gpus=tuple(gpus),
        cores=container_cores(groups),
        memory=min(machine.total, limit or machine.total),
        memory_free=min(machine.available, max(0, limit - used) if limit else machine.available),
        bf16_unit=_bf16_unit(),
        torch_version=torch.__version__,
        arches=tuple(torch.cuda.get_arch_list()) if gpus else (),
    )


def _allowed(number: int, total: int) -> int:
    """Bytes of a GPU that this process may take: all, but where torch.cuda.set_per_process_memory_fraction allows it
    less."""
    return min(total, int(torch.cuda.get_per_process_memory_fraction(number) * total) + CUDA_CONTEXT)


def rank_count(hardware: Hardware) -> int:
    """Processes that train together: as launched, else LANG_LEARN_RANKS, else one for each visible GPU."""
    asked = os.environ.get("WORLD_SIZE") or os.environ.get("LANG_LEARN_RANKS")
    if asked is None:
        return max(1, len(hardware.gpus))
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"LANG_LEARN_RANKS is '{asked}': it must be a whole number, 1 or more")
    return int(asked)


def own_device() -> torch.device:
    """What this process computes on: of the visible GPUs that of its local rank, in turn where ranks share them, or
    else the CPU."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % gpus) if gpus else torch.device("cpu")


def ranks_here(ranks: int) -> int:
    """Of so many ranks those on this host."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or ranks)


def ranks_on_a_gpu(hardware: Hardware, ranks: int) -> int:
    """Of so many ranks those that share each of the GPUs."""
    return math.ceil(ranks_here(ranks) / len(hardware.gpus))


def runs_on(gpu: Gpu, arches: tuple[str, ...]) -> bool:
    """Whether a torch built for `arches` ("sm_80", "compute_90") has kernels for this GPU: those of its own
    generation up to its own number, or an intermediate form of any generation up to its own."""
    for arch in arches:
        kind, _, number = arch.partition("_")
        major, minor = divmod(int(re.match(r"\d+", number).group()), 10)
        if kind == "sm" and major == gpu.capability[0] and minor <= gpu.capability[1]:
            return True
        if kind == "compute" and (major, minor) <= gpu.capability:
            return True
    return not arches


def refuse_unusable(hardware: Hardware) -> None:
    """Raises UserError for a GPU that this torch or bitsandbytes cannot use, with what to install instead."""
    for gpu in hardware.gpus:
        capability = ".".join(map(str, gpu.capability))
        if gpu.capability < (6, 0):
            raise UserError(
                f"{gpu.name} has compute capability {capability}, 4-bit training needs 6.0\n"
                "hide it with CUDA_VISIBLE_DEVICES, or set CUDA_VISIBLE_DEVICES= to use the CPU"
            )
        if not runs_on(gpu, hardware.arches):
            version = hardware.torch_version.partition("+")[0]
            oldest = min(int(re.search(r"\d+", arch).group()) for arch in hardware.arches)
            older = gpu.capability < divmod(oldest, 10)
            remedy = (
                f"the CUDA 12.6 build of torch (torch=={version}+cu126)" if older else "torch built for a newer CUDA"
            )
            raise UserError(
                f"{gpu.name} (compute capability {capability}): torch {hardware.torch_version} has no kernels for it, "
                f"only {', '.join(hardware.arches)}\ninstall {remedy}, or set CUDA_VISIBLE_DEVICES= to use the CPU"
            )


def in_gib(size: int) -> str:
    """Bytes for people: "11.6 GiB"."""
    return f"{size / GIB:.1f} GiB"


def free_by_uuid() -> dict[str, int]:
    """Free bytes of each GPU as the driver tells: asking CUDA would open a context of half a gigabyte on each."""
    command = ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = [[part.strip() for part in line.split(",")] for line in lines]
    return {p[0].removeprefix("GPU-"): int(p[1]) * 2**20 for p in pairs if len(p) == 2 and p[1].isdecimal()}


def _bf16_unit() -> str | None:
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    return "AVX512_BF16" if torch.cpu._is_avx512_bf16_supported() else None


def _control_groups() -> list[Path]:
    """This process's cgroup (version 2) and those around it, on Linux."""
    try:
        own = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].rpartition("::")[2]
    except (OSError, IndexError):
        return []
    root = Path("/sys/fs/cgroup")
    folder = root / own.strip("/")
    return [each for each in (folder, *folder.parents) if each == root or root in each.parents]


def container_memory(groups: list[Path]) -> tuple[int | None, int]:
    """(limit, what counts against it) in bytes of the cgroup with the least left; (None, 0) where none has a limit."""
    found = []
    for folder in groups:
        try:
            limit = (folder / "memory.max").read_text().strip()
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if limit.isdecimal():  # else "max"; file pages are given back under pressure, anonymous ones are not
            found.append((int(limit), int(stat.get("anon", 0))))
    return min(found, key=lambda pair: pair[0] - pair[1], default=(None, 0))


def container_cores(groups: list[Path]) -> int:
    """Cores that this process may use: those it is bound to, or the tightest quota, whole ones."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in groups:
        try:
            quota, period = (folder / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal():
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def peak_memory(device: torch.device) -> int:
    """Bytes: the most this process allocated on the GPU, or the most it held in memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return max(_most_before_files, _most_held())


def _most_held() -> int:
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    with suppress(OSError, TypeError):  # getrusage would count what this process was forked from as well
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def files_not_counted() -> Iterator[None]:
    """What is held within is not counted by `peak_memory`, nor what loading takes beside: there weights are read through
    a map of their file, whose pages Linux takes back where memory is short. Elsewhere than on Linux they do count."""
    global _most_before_files
    before = _most_held()
    try:
        yield
    finally:
        gc.collect()  # the maps
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
            _most_before_files = max(_most_before_files, before)


def give_back_freed_memory() -> None:
    """What nothing refers to any more goes back to the GPU and to Linux, so that what follows finds it free; and files
    that were still mapped are closed: Windows renames no folder with one."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(*NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)


def keep_freed_memory() -> None:
    """From now on this process keeps what it frees for what it allocates next, instead of asking Linux for it again
    at every operation: 5 % of a step. The most that it holds stays the same."""
    with suppress(*NO_GLIBC):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
