"""CUDA GPUs where there are none: this process's arithmetic is the CPU's, but all that Python code sees says cuda.

    a tensor          is on a GPU if its storage was made or moved there; views, results and gradients follow
    mixed devices     are refused, as CUDA refuses them: only scalars may come from the CPU
    memory            each storage on a GPU counts while it lives; beyond the limit torch.OutOfMemoryError is raised
    torch.cuda        tells a name, a capability, sizes; bitsandbytes and faiss stay those of the CPU

So the project's code for CUDA runs, whole, where tests run. Not seen: the kernels of CUDA, their speed, rounding and
scratch memory, streams, and NCCL.
"""

import contextlib
import sys
import threading
from types import SimpleNamespace

import bitsandbytes  # noqa: F401  its CPU library, before anything says that there is a GPU
import faiss  # noqa: F401
import safetensors
import torch
import torch.utils.checkpoint
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

GIB = 2**30
CPU = torch.device("cpu")
# Operations that take tensors of both kinds: copies, and indices from the host.
MIXING = {f"aten::{name}" for name in ("copy_ _to_copy _copy_from set_ index index_put index_put_ _index_put_impl_ "
                                       "_unsafe_index resize_ lift_fresh detach alias").split()}  # fmt: skip


class Memory:
    """Of all GPUs: which storages are on which of them, and how much that is, now and at most."""

    def __init__(self, count: int, limit: int):
        self.limit, self.current, self.shortages = limit, 0, 0
        self.now, self.most = [0] * count, [0] * count
        self.storages: dict[int, tuple[int, int]] = {}  # by address: (GPU, bytes)
        self.lock = threading.RLock()

    def number(self, device) -> int:
        """Of a device as torch takes them; of the current one for None and plain "cuda"."""
        device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device or "cuda")
        return self.current if device.index is None else device.index

    def gpu_of(self, tensor: torch.Tensor) -> int | None:
        with torch._C.DisableTorchFunction():
            if tensor.device != CPU:  # meta
                return None
            return self.storages.get(tensor.untyped_storage()._cdata, (None,))[0]

    def put(self, tensor: torch.Tensor, gpu: int) -> None:
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        with self.lock:
            before = self.storages.get(storage._cdata, (gpu, 0))[1]
            if size > before and self.now[gpu] + size - before > self.limit:
                self.shortages += 1
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / GIB:.3f} GiB.")
            self.storages[storage._cdata] = gpu, size
            self.now[gpu] += size - before
            self.most[gpu] = max(self.most[gpu], self.now[gpu])
        if not hasattr(storage, "stays"):
            storage.stays = Stay(storage._cdata)

    def free(self, address: int) -> None:
        with self.lock:
            gpu, size = self.storages.pop(address, (0, 0))
            self.now[gpu] -= size


class Stay:
    """An attribute of a storage, which dies with it."""

    def __init__(self, address: int):
        self.address = address

    def __del__(self):
        if not sys.is_finalizing():
            memory.free(self.address)


memory: Memory


def is_cuda(device) -> bool:
    return device is not None and not isinstance(device, int) and torch.device(device).type == "cuda"


class Operations(TorchDispatchMode):
    """Every operation of torch: where its result is, and whether its inputs are together."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        places, name = [memory.gpu_of(tensor) for tensor in tensors], operation._schema.name
        found = {place for place in places if place is not None}
        if is_cuda(kwargs.get("device")):
            gpu = memory.number(kwargs["device"])
            kwargs |= {"device": CPU}
        elif name == "aten::copy_":
            gpu = places[0]
        else:  # C++ may repeat the device that it believes in, the CPU
            gpu = next(iter(found), None)
        apart = len(found) > 1 or any(
            place is None and tensor.dim() and tensor.device == CPU
            for tensor, place in zip(tensors, places, strict=True)
        )
        indexed = "index" in name  # a GPU takes the host's indices, not the other way round
        if found and apart and (name not in MIXING or (indexed and places[0] is None)):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {places}")
        result = operation(*args, **kwargs)
        if gpu is not None:
            own = {tensor.untyped_storage()._cdata for tensor in tensors if tensor.device == CPU}
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor) and leaf.device == CPU:
                    address = leaf.untyped_storage()._cdata
                    if address not in own or address in memory.storages:  # else a view of what is on the CPU
                        memory.put(leaf, gpu)
        return result


class Functions(TorchFunctionMode):
    """What Python asks of a tensor: its device, and to be moved."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, asked = dict(kwargs or {}), getattr(function, "__self__", None)
        if getattr(function, "__name__", "") == "__get__" and asked in ASKED:
            return ASKED[asked](args[0])
        if isinstance(generator := kwargs.get("generator"), Generator):
            place = kwargs.get("device") or next((device_of(x) for x in args if isinstance(x, torch.Tensor)), CPU)
            if generator.wanted != torch.device(place).type:
                raise RuntimeError(f"Expected a '{torch.device(place).type}' device type for generator")
        if function in (torch.Tensor.numpy, torch.Tensor.__array__) and memory.gpu_of(args[0]) is not None:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if function is torch.Tensor.backward:  # with the modes on, which calling it from here would be without
            with self:
                return backward(*args, **kwargs)
        if function is torch.Tensor.to:
            return to(*args, **kwargs)
        if function is torch.Tensor.cuda:
            return moved(args[0], torch.device("cuda", memory.number(args[1] if args[1:] else kwargs.get("device"))))
        if function is torch.Tensor.cpu:
            return moved(args[0], CPU)
        if function is torch.Tensor.pin_memory:
            return args[0].clone()
        if function in (torch.tensor, torch.as_tensor, torch.asarray) and is_cuda(kwargs.get("device")):
            device = kwargs.pop("device")
            return moved(function(*args, **kwargs), device)
        return function(*args, **kwargs)


def backward(tensor, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Tensor.backward."""
    return torch.autograd.backward(tensor, gradient, retain_graph, create_graph, inputs=inputs)


def device_of(tensor: torch.Tensor) -> torch.device:
    gpu = memory.gpu_of(tensor)
    with torch._C.DisableTorchFunction():
        return tensor.device if gpu is None else torch.device("cuda", gpu)


ASKED = {
    torch.Tensor.device: device_of,
    torch.Tensor.is_cuda: lambda tensor: device_of(tensor).type == "cuda",
    torch.Tensor.is_cpu: lambda tensor: device_of(tensor).type == "cpu",
}


def to(tensor, *rest, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    """Tensor.to in all its forms."""
    for each in rest:
        if isinstance(each, torch.Tensor):
            device, dtype = each.device, each.dtype
        elif isinstance(each, torch.dtype):
            dtype = each
        elif isinstance(each, str | torch.device) or (isinstance(each, int) and not isinstance(each, bool)):
            device = torch.device("cuda", each) if isinstance(each, int) else torch.device(each)
    given = {"dtype": dtype} if dtype else {}
    given |= {"memory_format": memory_format} if memory_format else {}
    with torch._C.DisableTorchFunction():
        result = tensor.to(copy=copy, **given) if given or copy else tensor
        if device is not None and (tensor.is_meta or torch.device(device).type not in ("cpu", "cuda")):
            return result.to(device)
    return result if device is None else moved(result, device)


def moved(tensor: torch.Tensor, device) -> torch.Tensor:
    target = memory.number(device) if is_cuda(device) else None
    return tensor if memory.gpu_of(tensor) == target else Moved.apply(tensor, target)


class Moved(torch.autograd.Function):
    """A copy on another device; its gradient comes back."""

    @staticmethod
    def forward(ctx, tensor, target):
        ctx.back = memory.gpu_of(tensor)
        return copied(tensor, target)

    @staticmethod
    def backward(ctx, gradient):
        return copied(gradient, ctx.back), None


def copied(tensor: torch.Tensor, target: int | None) -> torch.Tensor:
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        result = tensor.detach().clone().as_subclass(torch.Tensor)
        if target is not None:
            memory.put(result, target)
    return result


class Generator(torch.Generator):
    def __new__(cls, device="cpu"):
        made = super().__new__(cls, "cpu")
        made.wanted = torch.device(device).type
        return made


class Autocast(torch.autocast):
    def __init__(self, device_type, *rest, **more):
        super().__init__("cpu" if device_type == "cuda" else device_type, *rest, **more)


class File:
    """safetensors.safe_open, whose tensors go where they are wanted after they are read."""

    def __init__(self, path, framework, device="cpu", **rest):
        self.device, self.file = device, real_safe_open(path, framework, device="cpu", **rest)

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *how):
        return self.file.__exit__(*how)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def get_tensor(self, name):
        return self.file.get_tensor(name).to(self.device)


real_safe_open = safetensors.safe_open


def begin(count: int, gib: float, capability: tuple[int, int], limit: float | None = None) -> None:
    """From now on, and for good, this process has GPUs."""
    global memory
    total = int(gib * GIB)
    memory = Memory(count, total if limit is None else int(limit * GIB))
    card = SimpleNamespace(
        name="Pretended GPU", major=capability[0], minor=capability[1], total_memory=total, uuid="0000",
        multi_processor_count=28, warp_size=32, gcnArchName="",
    )  # fmt: skip
    stream = SimpleNamespace(is_capturing=lambda: False, synchronize=lambda: None, cuda_stream=0)

    def reset(device=None) -> None:
        memory.most[memory.number(device)] = memory.now[memory.number(device)]

    def choose(device) -> None:
        memory.current = memory.number(device)

    fractions = [1.0]

    def cap(fraction: float, device=None) -> None:
        memory.limit = int(fraction * total)
        fractions.append(fraction)

    told = {
        "is_available": True, "is_initialized": True, "device_count": count, "get_device_properties": card,
        "get_device_name": card.name, "get_device_capability": capability, "is_bf16_supported": capability >= (8, 0),
        "get_arch_list": [f"sm_{capability[0]}{capability[1]}"], "current_stream": stream,
        "device": contextlib.nullcontext(), "is_current_stream_capturing": False, "get_rng_state_all": [],
    }  # fmt: skip
    told |= dict.fromkeys(("_lazy_init", "init", "synchronize", "empty_cache", "manual_seed", "manual_seed_all"))
    for name, value in told.items():
        setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    torch.cuda.current_device = lambda: memory.current
    torch.cuda.set_device, torch.cuda.reset_peak_memory_stats = choose, reset
    torch.cuda.set_per_process_memory_fraction = cap
    torch.cuda.get_per_process_memory_fraction = lambda device=None: fractions[-1]
    torch.cuda.memory_stats = lambda device=None: {"num_ooms": memory.shortages}
    torch.cuda.mem_get_info = lambda device=None: (total - memory.now[memory.number(device)], total)
    for name, counts in (("memory_allocated", "now"), ("memory_reserved", "now"), ("max_memory_allocated", "most"),
                         ("max_memory_reserved", "most")):  # fmt: skip
        setattr(torch.cuda, name, lambda device=None, c=counts: getattr(memory, c)[memory.number(device)])
    torch.cuda.get_rng_state = lambda device=None: torch.get_rng_state()
    torch.cuda.set_rng_state = lambda state, device=None: torch.set_rng_state(state)
    torch.accelerator.current_accelerator = lambda *_, **__: torch.device("cuda")
    torch.accelerator.current_stream = lambda *_: stream
    torch.Generator, torch.autocast, torch.amp.autocast = Generator, Autocast, Autocast
    safetensors.safe_open = File
    for module in list(sys.modules.values()):
        if getattr(module, "safe_open", None) is real_safe_open:
            module.safe_open = File
    # Saved tensors are looked at, and gradients asked for, where the modes are off.
    torch.utils.checkpoint._allowed_determinism_checks_to_fns["default"] = lambda x: (x.shape, x.dtype)
    torch.autograd.has_torch_function = lambda _: False
    run, functions, operations = threading.Thread.run, Functions(), Operations()

    def with_modes(thread) -> None:
        with functions, operations:
            run(thread)

    threading.Thread.run = with_modes  # modes are a thread's own
    functions.__enter__()
    operations.__enter__()
