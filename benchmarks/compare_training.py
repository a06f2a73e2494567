"""Real tokens a second of three ways to fine-tune the same small Falcon on the same cases, alternately.

    python benchmarks/compare_training.py --cases medtext_2.csv              old recipe, TRL (if installed), this project

Every way: the same base in NF4 with the same number of 4-bit layers (so that nobody wins by computing less), LoRA
r=8 alpha=32 without dropout on all four linears, bf16 autocast, AdamW at a constant learning rate, seed 0, the same
cases. They run in turn, each in a process of its own, `--rounds` times; the median and the loss of every tenth step are
printed. Real tokens are those of prompts, answers and EOS: padding counts nothing.

    old    pad to 512, batch 1, accumulation 4, eager stock attention, recomputation, loss on every token
    trl    SFTTrainer: batch 8, lengths grouped, SDPA, loss on the completion, no recomputation (packing on SDPA leaks)
    ours   the plan that medical_diagnosis_gpu.py makes for this machine: packed rows, 16 cases a step, loss on answers
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
RANK, ALPHA, RATE = 8, 32, 1e-3


def load(base: str, attention: str | None, unpacked: bool = False):
    """The base in NF4 with its adapter; `attention` overrides the project's own. `unpacked`: as this project trains
    where memory allows, the 4-bit values widened once instead of in every product."""
    import torch

    from langlearn import config, falcon, model

    if attention:
        falcon.attention_for = lambda _: attention
    settings = config.Model(base=base)
    loaded = model.load_base(settings, "cpu", torch.bfloat16)
    if unpacked:
        loaded = model.unpack(loaded, torch.bfloat16)
    tuned = model.add_adapter(loaded, config.Adapter(r=RANK, alpha=ALPHA, dropout=0.0), seed=0)
    tuned.train()
    return tuned, model.load_tokenizer(settings)


def read_cases(path: str):
    from langlearn import cases, config

    return cases.read(config.Data(cases=path)).cases


def old(base: str, path: str, seconds: float):
    """Yields (real tokens, seconds, loss) a step."""
    import torch

    tuned, tokenizer = load(base, "eager")
    tuned.get_base_model().activation_checkpointing_enable(
        activation_checkpointing_kwargs={"use_reentrant": False}
    )
    tuned.enable_input_require_grads()
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=RATE)
    texts = [f"Question: {c.prompt}\nAnswer: {c.completion}" for c in read_cases(path)]
    began = time.perf_counter()
    for start in range(0, len(texts) - 3, 4):
        clock, real, total = time.perf_counter(), 0, 0.0
        for text in texts[start : start + 4]:
            row = tokenizer(text, padding="max_length", max_length=512, truncation=True, return_tensors="pt")
            labels = row.input_ids.masked_fill(row.input_ids == tokenizer.pad_token_id, -100)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = tuned(**row, labels=labels, use_cache=False).loss / 4
            loss.backward()
            real, total = real + int(row.attention_mask.sum()), total + loss.item()
        optimizer.step()
        optimizer.zero_grad()
        yield real, time.perf_counter() - clock, total
        if time.perf_counter() - began > seconds:
            return


def ours(base: str, path: str, seconds: float):
    """training.Run as medical_diagnosis_gpu.py makes it, under the plan for this machine."""
    import torch

    from langlearn import config, examples, hardware, launch, model, training, trainlog

    cases = read_cases(path)
    settings = config.Config(model=config.Model(base=base))
    settings.training = config.Training(
        batch_size=16, learning_rate=RATE, num_train_epochs=1, retrieval_share=0.0, max_length=1024
    )
    settings.adapter = config.Adapter(r=RANK, alpha=ALPHA, dropout=0.0)
    encoder = examples.Encoder(model.load_tokenizer(settings.model), settings.training.max_length)
    lengths = [len(encoder.example(case).input_ids) for case in cases]
    machine = replace(hardware.describe(), device="cpu", gpus=())
    plan = hardware.plan(settings, machine, model.load_config(settings.model), lengths)
    tuned, _ = load(base, None, unpacked=plan.unpacked)
    setup = training.setup_of(plan, settings.training, tuned.config, lengths, torch.device("cpu"))
    training.learning_rate = lambda *_: RATE
    run = training.Run(
        tuned, examples.Curriculum(cases, [], encoder, settings.training, 0), [], settings.training, setup,
        launch.Ranks(0, 1, 0, torch.device("cpu")), trainlog.TrainLog(Path(), enabled=False), Path(), {},
    )  # fmt: skip
    began = time.perf_counter()
    while run.progress.step < run.steps and time.perf_counter() - began < seconds:
        clock, tokens = time.perf_counter(), run.progress.tokens
        run.step()
        yield run.progress.tokens - tokens, time.perf_counter() - clock, run.progress.last["loss"]


def trl(base: str, path: str, seconds: float):
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    tuned, tokenizer = load(base, "sdpa")
    rows = [{"prompt": f"Question: {c.prompt}\nAnswer:", "completion": f" {c.completion}"} for c in read_cases(path)]
    steps, batch_tokens, real_collate = [], [], None

    class Watch(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            self.clock = time.perf_counter()

        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "loss" in logs:
                steps.append((batch_tokens[len(steps)], self.took, logs["loss"]))

        def on_step_end(self, args, state, control, **kwargs):
            self.took = time.perf_counter() - self.clock
            control.should_training_stop = sum(s[1] for s in steps) > seconds

    settings = SFTConfig(
        output_dir=str(Path(base).resolve() / "unused"), per_device_train_batch_size=8, num_train_epochs=1,
        learning_rate=RATE, lr_scheduler_type="constant", max_length=512, packing=False, completion_only_loss=True,
        train_sampling_strategy="group_by_length", bf16=True, use_cpu=True, logging_steps=1, save_strategy="no",
        report_to=[], seed=0, disable_tqdm=True, dataloader_num_workers=0, eos_token=tokenizer.eos_token,
        gradient_checkpointing=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=tuned, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        callbacks=[Watch()],
    )  # fmt: skip
    real_collate = trainer.data_collator

    def collate(features):
        batch = real_collate(features)
        batch_tokens.append(int(batch["attention_mask"].sum()))
        return batch

    trainer.data_collator = collate
    trainer.train()
    yield from steps


WAYS = {"old": old, "trl": trl, "ours": ours}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="models/tiny-falcon")
    parser.add_argument("--cases", default="data/sample_cases.csv")
    parser.add_argument("--seconds", type=float, default=30.0, help="training time of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--turn", choices=list(WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        for real, took, loss in WAYS[args.turn](args.base, args.cases, args.seconds):
            print(json.dumps([real, took, loss]))
        return
    speeds, losses = {way: [] for way in args.ways}, {}
    for number in range(args.rounds):
        for way in args.ways:
            done = subprocess.run([sys.executable, __file__, "--turn", way, "--base", args.base, "--cases", args.cases,
                                   "--seconds", str(args.seconds)], capture_output=True, text=True)  # fmt: skip
            rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
            if done.returncode or len(rows) < 3:
                print(f"{way}: did not run: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
                continue
            rows = rows[1:]  # the first step warms up
            speeds[way].append(sum(r[0] for r in rows) / sum(r[1] for r in rows))
            losses[way] = [round(r[2], 3) for r in rows]
            print(f"round {number + 1} {way:5} {speeds[way][-1]:8.0f} real tokens/s, {len(rows)} steps", flush=True)
    medians = {way: statistics.median(found) for way, found in speeds.items() if found}
    for way, speed in medians.items():
        ratio = f", this project is {medians['ours'] / speed:.2f} times as fast" if "ours" in medians else ""
        print(f"{way:5} median {speed:8.0f} real tokens/s{ratio}")
        print(f"      loss of every tenth step: {losses[way][::10]}")


if __name__ == "__main__":
    main()
