"""Does a step's time grow in line with its tokens, and do two ranks halve it?

    python benchmarks/scaling.py --work FOLDER [--cases data/sample_cases.csv]

Steps: the small Falcon with a LoRA adapter, forward and backward over examples of 256 tokens, 256 to 8,192 tokens a
step, on one core, in turn; the median of --rounds. Ranks: whole runs of medical_diagnosis_gpu.py in turn, one rank on
one core against two ranks on one core each; tokens a second of run.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LENGTH, SIZES = 256, (256, 512, 1024, 2048, 4096, 8192)


def step_times(base: str, rounds: int) -> dict[int, float]:
    """Median seconds of a step by its tokens."""
    import torch

    torch.set_num_threads(1)
    from langlearn import config, examples, model, objective

    settings = config.Model(base=base)
    loaded = model.unpack(model.load_base(settings, "cpu", torch.bfloat16), torch.bfloat16)
    tuned = model.add_adapter(loaded, config.Adapter(r=32, alpha=64, dropout=0.0), seed=0, reordered=True)
    tuned.train()
    torch.manual_seed(0)
    vocabulary = loaded.config.vocab_size
    taken = {size: [] for size in SIZES}
    for turn in range(rounds + 1):
        for size in SIZES:
            ids = torch.randint(1, vocabulary, (size // LENGTH, LENGTH)).tolist()
            step = [examples.Example(tuple(row), LENGTH // 2) for row in ids]
            clock = time.perf_counter()
            for batch in examples.micro_batches(step, 1024, packed=True, pad_id=0):
                with objective.packed(batch):
                    objective.answer_loss(tuned, batch).backward()
            if turn:  # the first warms up
                taken[size].append(time.perf_counter() - clock)
            tuned.zero_grad(set_to_none=True)
    return {size: statistics.median(each) for size, each in taken.items()}


def run_speed(ranks: int, base: str, cases: str, work: Path) -> float:
    """Real tokens a second of a short run."""
    output = work / f"ranks{ranks}"
    flags = {
        "profile": "tiny", "model.base": base, "data.cases": cases, "training.output": output,
        "training.num_train_epochs": 0.15, "training.eval_cases": 2, "evaluation.cases": 0,
        "index.folder": work / "index", "logs.folder": work / "logs", "training.batch_size": 16,
        "answering.max_new_tokens": 1,
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "medical_diagnosis_gpu.py"), "--fresh"]
    command += [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LANG_LEARN_RANKS": str(ranks), "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return json.loads((output / "run.json").read_text(encoding="utf-8"))["tokens_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--base", default="models/tiny-falcon")
    parser.add_argument("--cases", default="data/sample_cases.csv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)

    speeds = {ranks: [] for ranks in (1, 2)}
    for _ in range(given.runs):
        for ranks in speeds:
            speeds[ranks].append(run_speed(ranks, given.base, given.cases, given.work))
            print(f"{ranks} ranks: {speeds[ranks][-1]:,.0f} tokens/s", flush=True)
    one, two = (statistics.median(each) for each in speeds.values())
    print(f"two ranks: {two / one:.2f} times the tokens/s of one")

    times = step_times(given.base, given.rounds)
    pace = times[SIZES[-1]] / SIZES[-1]
    for size, seconds in times.items():
        print(f"{size:6,} tokens: {seconds:7.3f} s, {1e6 * seconds / size:6.1f} µs a token, "
              f"{seconds / (pace * size):.2f} of the line through the largest")  # fmt: skip


if __name__ == "__main__":
    main()
