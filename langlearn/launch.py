"""One process per GPU from a plain `python script.py`; torchrun and several hosts are used as they come.

    python script.py ── relaunch_if_needed ──┬── rank 0: the same script, on this terminal
         (waits)                             └── rank 1: the same script, its output kept aside

The exit code of the first rank that fails is that of the command. Ctrl-C reaches every rank, which save and stop; the
command then ends with 130. The ranks die with the launcher, so that a next run never meets them.
"""

import atexit
import ctypes
import json
import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from langlearn.errors import UserError
from langlearn.machine import Hardware, own_device, rank_count, ranks_here

LAUNCHER = "LANG_LEARN_LAUNCHER"  # process id of the launcher, for its ranks
PATIENCE = timedelta(hours=2)  # rank 0 may generate or evaluate alone for a while
SECONDS_TO_SAVE = 300  # what ranks get after Ctrl-C to end their step and write it down
PEER_LOST = 113  # exit code of a rank that stops because another did: that other one says why
SECONDS_TO_BE_ENDED = 20  # by the launcher, which first has to see that other rank end
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ranks:
    """Which of the processes that train together this one is."""

    rank: int
    world_size: int
    local_rank: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


def is_main() -> bool:
    """Whether this process is the main rank, or alone; known before `init` as well."""
    return int(os.environ.get("RANK", 0)) == 0


def alone(device: torch.device) -> Ranks:
    """The only rank there is."""
    return Ranks(0, 1, 0, device)


def relaunch_if_needed(hardware: Hardware) -> None:
    """Where several ranks are wanted and this process is none of them: run this very command once for each, wait, and
    exit as they did. Otherwise return."""
    count = rank_count(hardware)
    if count == 1 or "RANK" in os.environ:
        return
    os.environ[LAUNCHER] = str(os.getpid())
    # torchrun would give each rank a single thread.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, hardware.cores // count)))
    if sys.platform.startswith("linux"):  # ranks of one machine talk over loopback, whatever its host name
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    sys.stdout.flush()
    sys.exit(_run([os.path.abspath(sys.argv[0]), *sys.argv[1:]], count))


def _run(command: list[str], count: int) -> int:
    """The machinery of `torch.distributed.run --standalone --nproc-per-node COUNT`, without its tracebacks."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # the launcher has nothing to tell that the ranks do not
    with tempfile.TemporaryDirectory(prefix="lang-learn-ranks-", ignore_cleanup_errors=True) as folder:
        aside = {rank: Std.ALL for rank in range(1, count)}
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=count, run_id=str(os.getpid()), rdzv_backend="c10d",
            local_addr="localhost", max_restarts=0, shutdown_timeout=SECONDS_TO_SAVE,
            logs_specs=DefaultLogsSpecs(log_dir=folder, redirects=aside), **_meeting_place(folder),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)(*command)
        except SignalException as stop:
            return 128 + stop.sigval
        except ChildFailedError as failed:
            return _report(failed, Path(folder))
    return 0


def _meeting_place(folder: str) -> dict:
    """Where launcher and ranks find each other: at a port that the launcher holds. Over TCP it would ask for libuv,
    which torch does not have on Windows: there over a file, and the ranks at a port of rank 0's."""
    if sys.platform != "win32":
        return {"rdzv_endpoint": "localhost:0"}
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    return {"rdzv_endpoint": os.path.join(folder, "meeting"), "rdzv_configs": {"store_type": "file"}}


def _report(failed, logs: Path) -> int:
    """Exit code of the first rank that failed, once the user has seen why."""
    codes = {rank: failure.exitcode for rank, failure in failed.failures.items()}
    followed = (PEER_LOST, -signal.SIGTERM)  # these went because another went first
    causes = {rank: code for rank, code in codes.items() if code not in followed} or codes
    rank = min(causes)  # rank 0 where it is one of them: what it said stands on the terminal already
    code = causes[rank]
    if code == -signal.SIGINT:
        return 130
    for path in logs.rglob(f"{rank}/stderr.log"):  # none for rank 0, which wrote to the terminal itself
        print(path.read_text(encoding="utf-8", errors="replace"), end="", file=sys.stderr)
    if code == PEER_LOST:
        code = 1
        print("error: the ranks lost each other\nthe same command resumes from the newest checkpoint", file=sys.stderr)
    if code < 0:
        why = " (the machine may be out of memory)" if code == -signal.SIGKILL else ""
        print(f"error: rank {rank} was ended by {signal.Signals(-code).name}{why}\n"
              "the same command resumes from the newest checkpoint", file=sys.stderr)  # fmt: skip
        return 1
    return code


def init() -> Ranks:
    """This process's place. Several ranks join over NCCL with a GPU each, over gloo on CPUs or where they share one."""
    rank, world_size, local_rank = (int(os.environ.get(n, d)) for n, d in
                                    (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))  # fmt: skip
    _die_with_launcher()
    device = own_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world_size > 1:
        own_gpu = device.type == "cuda" and torch.cuda.device_count() >= ranks_here(world_size)
        nccl = own_gpu and dist.is_nccl_available()
        dist.init_process_group("nccl" if nccl else "gloo", timeout=PATIENCE, device_id=device if nccl else None)
        if not nccl:
            atexit.register(finish)  # gloo's threads abort a process that ends with them running
    return Ranks(rank, world_size, local_rank, device)


def finish() -> None:
    """Leave the group, if there is one. Over NCCL a failing rank does not: it might wait for the others forever."""
    failing = sys.exc_info()[0] is not None
    if dist.is_initialized() and not (failing and dist.get_backend() == "nccl"):
        dist.destroy_process_group()


def barrier(ranks: Ranks) -> None:
    """Wait for every rank."""
    if ranks.world_size > 1:
        sum_across(ranks, torch.zeros(1, device=ranks.device)).item()  # NCCL would return before the others are there


def sum_across(ranks: Ranks, tensor: torch.Tensor) -> torch.Tensor:
    """The sum of `tensor` over all ranks, in place. Where another rank is gone, waits to be ended as well."""
    if ranks.world_size > 1:
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            if "by peer" not in str(error):
                raise
            time.sleep(SECONDS_TO_BE_ENDED)
            os._exit(PEER_LOST)  # at once: leaving the group in order could wait for the one that is gone
    return tensor


def any_rank(ranks: Ranks, *flags: bool) -> list[bool]:
    """For each flag, whether it is set on any rank."""
    if ranks.world_size == 1:
        return [bool(flag) for flag in flags]
    counts = torch.tensor([float(flag) for flag in flags], device=ranks.device)
    return [count > 0 for count in sum_across(ranks, counts).tolist()]


def broadcast_object(ranks: Ranks, value):
    """Rank 0's `value`, on every rank: anything that JSON can hold."""
    if ranks.world_size == 1:
        return value
    data = json.dumps(value).encode() if ranks.is_main else b""
    size = int(sum_across(ranks, torch.tensor([len(data)], device=ranks.device)).item())
    message = torch.zeros(size, dtype=torch.uint8, device=ranks.device)
    if ranks.is_main:
        message.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    dist.broadcast(message, src=0)
    return json.loads(message.cpu().numpy().tobytes())


def _die_with_launcher() -> None:
    """Ask Linux to end this rank when its launcher ends, however that happens (kill -9 included)."""
    launcher = os.environ.get(LAUNCHER)
    if launcher is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(launcher):  # it ended before this rank could ask
        raise UserError("the process that started this rank is gone: start the script again")
