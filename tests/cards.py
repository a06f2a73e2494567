"""Cards that are not here, and computers with them: descriptions are all that a plan reads."""

from langlearn import hardware

GIB = hardware.GIB
CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
CUDA_12_6 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
RTX_3060 = hardware.Gpu("NVIDIA GeForce RTX 3060", (8, 6), int(11.76 * GIB), int(11.6 * GIB))
TITAN_RTX = hardware.Gpu("NVIDIA TITAN RTX", (7, 5), int(23.65 * GIB), int(23.4 * GIB))
P40 = hardware.Gpu("Tesla P40", (6, 1), int(22.38 * GIB), int(22.2 * GIB))
A100 = hardware.Gpu("NVIDIA A100-SXM4-80GB", (8, 0), int(79.2 * GIB), int(78.8 * GIB))
H200 = hardware.Gpu("NVIDIA H200", (9, 0), int(139.8 * GIB), int(139 * GIB))
GTX_1650 = hardware.Gpu("NVIDIA GeForce GTX 1650", (7, 5), 4 * GIB, int(3.9 * GIB))


def computer(*gpus, arches=CUDA_13, memory_free=30 * GIB, bf16_unit="AMX"):
    return hardware.Hardware(
        device="cuda" if gpus else "cpu", gpus=gpus, cores=8, memory=32 * GIB, memory_free=memory_free,
        bf16_unit=bf16_unit, torch_version="2.13.0+cu130" if gpus else "2.13.0+cpu", arches=arches if gpus else (),
    )  # fmt: skip
