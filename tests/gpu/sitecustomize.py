"""Python runs this when it starts with this folder on PYTHONPATH: GPUS="2 12 8.6 0.3" is two GPUs of 12 GiB and compute
capability 8.6, of whose memory 0.3 GiB can be had."""

import os

if os.environ.get("GPUS"):
    import pretended

    count, gib, capability, *limit = os.environ["GPUS"].split()
    pretended.begin(int(count), float(gib), tuple(map(int, capability.split("."))), *map(float, limit))
