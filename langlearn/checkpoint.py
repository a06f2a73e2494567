"""Training state on disk: safetensors and JSON, written beside and renamed, never pickled."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from langlearn.errors import UserError, first_line

PLAIN_INT, LOCK = "#int", ".lock"


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str = "optimizer") -> dict[str, torch.Tensor]:
    """Every tensor of the optimizer's state under a flat name `prefix.group.index.key`."""
    flat = {}
    for g, group in enumerate(optimizer.param_groups):
        for i, parameter in enumerate(group["params"]):
            for key, value in optimizer.state.get(parameter, {}).items():
                if torch.is_tensor(value):
                    flat[f"{prefix}.{g}.{i}.{key}"] = value.detach().cpu().contiguous()
                elif isinstance(value, int):  # bitsandbytes counts its steps in a plain int
                    flat[f"{prefix}.{g}.{i}.{key}{PLAIN_INT}"] = torch.tensor(value)
    return flat


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], prefix: str = "optimizer"
) -> None:
    """The inverse of `optimizer_tensors`, into an optimizer over the same parameters in the same order."""
    for name, value in tensors.items():
        if name.startswith(prefix + "."):
            g, i, key = name[len(prefix) + 1 :].split(".", 2)
            group = optimizer.param_groups[int(g)]
            parameter = group["params"][int(i)]
            if key.endswith(PLAIN_INT):
                optimizer.state[parameter][key.removesuffix(PLAIN_INT)] = int(value)
            else:
                # A scalar `step` stays on the CPU, where the stock optimizers keep it, but for their fused kernels.
                place = "cpu" if value.ndim == 0 and not group.get("fused") else parameter.device
                optimizer.state[parameter][key] = value.to(place, copy=True)


def save(folder: Path, tensors: dict[str, torch.Tensor], meta: dict) -> Path:
    """Write `folder` whole or not at all: `state.safetensors` and `meta.json`."""
    folder = Path(folder)
    beside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, beside / "state.safetensors")
    (beside / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
    for path in (beside / "state.safetensors", beside / "meta.json"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(beside, folder)
    return folder


def load(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """(tensors, meta) as `save` took them."""
    folder = Path(folder)
    return load_file(folder / "state.safetensors"), json.loads((folder / "meta.json").read_text(encoding="utf-8"))


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Within, no other process trains into `output`; nor does one yet. Raises UserError where one does."""
    folder = checkpoints_of(output)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another run is training into {output}\nwait until it ends, or give this one its own --training.output"
        ) from None
    try:
        yield
    finally:
        if os.name == "posix":  # before anybody else can have it; Windows deletes it on release
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # checkpoints are there, and stay
            folder.rmdir()


def checkpoints_of(output: Path) -> Path:
    """Where a run keeps its state until its adapter is in `output`."""
    return output.with_name(output.name + ".checkpoints")


def drop(folder: Path) -> None:
    """Delete the state of an interrupted run, for good."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            with suppress(OSError):
                path.unlink()


def load_newest(parent: Path, say: Callable[[str], None]) -> tuple[dict[str, torch.Tensor], dict] | None:
    """The newest checkpoint that can be read, None where there is none; damaged ones are told."""
    for folder in reversed(_whole(parent)):
        try:
            return load(folder)
        except (SafetensorError, OSError, ValueError) as error:
            say(f"{folder} is damaged and passed over: {first_line(error)}")
    return None


def newest(parent: Path) -> Path | None:
    """The newest whole `step-*` checkpoint; one that was being written when the power went is not a candidate."""
    return (_whole(parent) or [None])[-1]


def _whole(parent: Path) -> list[Path]:
    return sorted(p for p in Path(parent).glob("step-*") if (p / "meta.json").is_file() and p.suffix != ".partial")


def keep_newest(parent: Path, count: int) -> None:
    for old in sorted(p for p in Path(parent).glob("step-*") if p.suffix != ".partial")[:-count]:
        shutil.rmtree(old, ignore_errors=True)


def refuse_other_run(found: dict, mine: dict, folder: Path) -> None:
    """Raises UserError if the interrupted run in `folder` had other settings, naming the first that differs."""
    for key in sorted(mine.keys() | found.keys()):
        if found.get(key) != mine.get(key):
            raise UserError(
                f"{folder} holds an interrupted run with {key} {found.get(key)!r}, now it is {mine.get(key)!r}\n"
                "set it back to resume that run, or pass --fresh to drop it and start anew"
            )


def read_json(path: Path) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))
