"""Real tokens a second of five ways to fine-tune the same small Falcon on the same cases, alternately.

    python benchmarks/compare_training.py --cases medtext_2.csv       old recipe, TRL (if installed), this project
        --litgpt PYTHON --llamafactory PYTHON                         two more, each in an environment of its own
        --device cuda --base tiiuae/falcon-7b                         the first three on a GPU

Every way: the same base, LoRA r=8 alpha=32 without dropout on all four linears, bf16, AdamW at a constant learning
rate, seed 0, the same cases. The first three hold the base in NF4 with the same number of 4-bit layers (so that nobody
wins by computing less). They run in turn, each in a process of its own, `--rounds` times; the median and the loss of
every tenth step are printed, and of the first three what the adapter makes of 64 held-out cases (loss on the answers,
nats a token). Real tokens are those of prompts, answers and EOS: padding counts nothing.

    old    pad to 512, batch 1, accumulation 4, eager stock attention, recomputation, loss on every token
    trl    SFTTrainer: batch 8, lengths grouped, SDPA, loss on the completion, no recomputation (packing on SDPA leaks)
    ours   the plan that medical_diagnosis_gpu.py makes for this machine: packed rows, 16 cases a step, loss on answers

Two more tools pin other versions of transformers than this project does. Name the python of an environment that has one
(tried: litgpt 0.5.13, LLaMA-Factory 0.9.5 with transformers 5.6); without it that way is not run. Both hold plain bf16
weights, which costs them less than 4-bit ones would, and are set up for a CPU:

    litgpt         its command `finetune_lora`: batch 8, SDPA, loss on the completion, no recomputation. It cannot
                   quantise on a CPU nor group lengths, has a LoRA each for q, k and v, and keeps the adapter in bf16
                   as well (autocast was slower, and so were smaller batches)
    llamafactory   its `run_exp`: batch 8, lengths grouped, SDPA, bf16 autocast, loss on the completion, no
                   recomputation. Its quantization_bit passes over Falcon's layers (0 of 24), and its packing was slower
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from other_trainers import ALPHA, RANK, RATE, litgpt, llamafactory, synchronize, watcher  # noqa: E402


def load(base: str, device: str, attention: str):
    """The base in NF4 with its adapter, both under an `attention` of transformers' and
    the adapter's layers PEFT's own."""
    import torch

    from langlearn import config, falcon, lora, model

    falcon.attention_for, lora.fuse = lambda _: attention, as_autocast_runs_fastest
    settings = config.Model(base=base)
    loaded = model.load_base(settings, device, torch.bfloat16)
    tuned = model.add_adapter(loaded, config.Adapter(r=RANK, alpha=ALPHA, dropout=0.0), seed=0)
    tuned.train()
    return tuned, model.load_tokenizer(settings)


def as_autocast_runs_fastest(tuned, frugal=None) -> None:
    """PEFT would widen every input to the adapter's float32; autocast narrows the few weights instead."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in tuned.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


def read_cases(path: str, held_out: bool = False):
    """All but the last cases, which no way trains on; or those."""
    from langlearn import cases, config

    found = cases.read(config.Data(cases=path)).cases
    return found[-HELD_OUT:] if held_out else found[:-HELD_OUT]


def held_out_loss(tuned, tokenizer, path: str) -> float:
    """Of the answers, nats a token; each case alone, in the form that this project trains on."""
    import torch

    from langlearn import examples, objective

    encoder = examples.Encoder(tokenizer, 1024)
    of_all = [encoder.example(case) for case in read_cases(path, held_out=True)]
    packed, total = objective.falcon.packs(tuned.config), 0.0
    tuned.eval()
    with torch.no_grad(), torch.autocast(tuned.device.type, dtype=torch.bfloat16):
        for batch in examples.micro_batches(of_all, 1, packed, pad_id=0):
            batch = batch.to(tuned.device)
            with objective.packed(batch):
                total += objective.answer_loss(tuned, batch).item()
    return total / sum(example.supervised for example in of_all)


def old(base: str, path: str, seconds: float, device: str):
    """Yields (real tokens, seconds, loss) a step, and at last the held-out loss, or None where it is not measured."""
    import torch

    tuned, tokenizer = load(base, device, "eager")
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
            row = tokenizer(text, padding="max_length", max_length=512, truncation=True, return_tensors="pt").to(device)
            labels = row.input_ids.masked_fill(row.input_ids == tokenizer.pad_token_id, -100)
            with torch.autocast(device, dtype=torch.bfloat16):
                loss = tuned(**row, labels=labels, use_cache=False).loss / 4
            loss.backward()
            real, total = real + int(row.attention_mask.sum()), total + loss.item()
        optimizer.step()
        optimizer.zero_grad()
        synchronize()
        yield real, time.perf_counter() - clock, total
        if time.perf_counter() - began > seconds:
            break
    yield held_out_loss(tuned, tokenizer, path)


def ours(base: str, path: str, seconds: float, device: str):
    """training.Run as medical_diagnosis_gpu.py makes it, under the plan for this machine."""
    import torch

    from langlearn import computing, config, examples, hardware, launch, model, optimization, training, trainlog
    from langlearn.ahead import Ahead

    cases = read_cases(path)
    settings = config.Config(model=config.Model(base=base))
    settings.training = config.Training(
        batch_size=16, learning_rate=RATE, num_train_epochs=1, retrieval_share=0.0, max_length=1024
    )
    settings.adapter = config.Adapter(r=RANK, alpha=ALPHA, dropout=0.0)
    encoder = examples.Encoder(model.load_tokenizer(settings.model), settings.training.max_length)
    made = [encoder.example(case) for case in cases]
    lengths = [len(example.input_ids) for example in made]
    answers = sum(example.supervised for example in made) / sum(lengths)
    machine = hardware.describe()
    if device == "cpu":
        machine = replace(machine, device="cpu", gpus=())
    plan = hardware.plan(settings, machine, model.load_config(settings.model), lengths, answers)
    loaded = model.load_base(settings.model, device, torch.bfloat16, plan.recomputed_layers)
    if plan.unpacked:
        loaded = model.unpack(loaded, torch.bfloat16)
    tuned = model.add_adapter(loaded, settings.adapter, seed=0, reordered=plan.reordered).train()
    setup = computing.Setup.of(plan, settings.training, tuned.config, lengths, torch.device(device))
    optimization.learning_rate = lambda *_: RATE
    run = training.Run(
        tuned, examples.Curriculum(cases, [], encoder, settings.training, 0), [], settings.training, setup,
        launch.alone(torch.device(device)), trainlog.TrainLog(Path(), enabled=False), Path(), {},
    )  # fmt: skip
    began = time.perf_counter()
    with Ahead(run.examples_of, run.steps) as ahead:
        while run.progress.step < run.steps and time.perf_counter() - began < seconds:
            clock, tokens = time.perf_counter(), run.progress.tokens
            run.step(ahead.take)
            synchronize()
            yield run.progress.tokens - tokens, time.perf_counter() - clock, run.progress.last["loss"]
    yield held_out_loss(tuned, encoder.tokenizer, path)


def trl(base: str, path: str, seconds: float, device: str):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tuned, tokenizer = load(base, device, "sdpa")
    rows = [{"prompt": f"Question: {c.prompt}\nAnswer:", "completion": f" {c.completion}"} for c in read_cases(path)]
    steps, batch_tokens, real_collate = [], [], None

    settings = SFTConfig(
        output_dir=str(Path(base).resolve() / "unused"), per_device_train_batch_size=8, num_train_epochs=1,
        learning_rate=RATE, lr_scheduler_type="constant", max_length=512, packing=False, completion_only_loss=True,
        train_sampling_strategy="group_by_length", bf16=True, use_cpu=device == "cpu", logging_steps=1,
        save_strategy="no", report_to=[], seed=0, disable_tqdm=True, dataloader_num_workers=0,
        eos_token=tokenizer.eos_token, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=tuned, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        callbacks=[watcher(steps, lambda _: batch_tokens[len(steps)], seconds)],
    )  # fmt: skip
    real_collate = trainer.data_collator

    def collate(features):
        batch = real_collate(features)
        batch_tokens.append(int(batch["attention_mask"].sum()))
        return batch

    trainer.data_collator = collate
    trainer.train()
    yield from steps
    yield held_out_loss(tuned, tokenizer, path)


def write_for_others(path: str, folder: Path) -> None:
    """The cases as the tools without langlearn read them: one JSON object a line, the prompt whole in `instruction`."""
    from langlearn import prompts

    lines = [
        json.dumps({"instruction": prompts.question_prompt(case.prompt), "input": "",
                    "output": prompts.answer_text(case.completion)}) + "\n"
        for case in read_cases(path)
    ]  # fmt: skip
    (folder / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "val.jsonl").write_text(lines[0], encoding="utf-8")  # litgpt wants one
    (folder / "dataset_info.json").write_text(json.dumps({"cases": {"file_name": "train.jsonl"}}), encoding="utf-8")


HELD_OUT = 64  # cases
WAYS = {"old": old, "trl": trl, "ours": ours, "litgpt": litgpt, "llamafactory": llamafactory}
OTHERS = ("litgpt", "llamafactory")
"""Run under a python of their own, without langlearn."""


def take_turn(python: str, way: str, base: str, cases: str, args) -> tuple[list, float | None]:
    """(the steps of one turn, the held-out loss where it was measured); none, and why, if it did not run."""
    command = [python, __file__, "--turn", way, "--base", base, "--cases", cases]
    command += ["--seconds", str(args.seconds), "--device", args.device]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    told = [line for line in done.stdout.splitlines() if line.startswith("[[")]  # tools print lines of their own
    *rows, held_out = json.loads(told[-1]) if told else [None]
    if done.returncode or len(rows) < 3:
        why = (done.stderr.strip()[-3000:] or "no output") if done.returncode else "too few steps: more --seconds"
        print(f"{way}: did not run: {why}")
        return [], None
    return rows, held_out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="models/tiny-falcon")
    parser.add_argument("--cases", default="data/sample_cases.csv")
    parser.add_argument("--seconds", type=float, default=30.0, help="training time of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="JSON: each way's speeds, and the loss of every step"
    )
    for way in OTHERS:
        parser.add_argument(f"--{way}", metavar="PYTHON", help=f"the python of an environment that has {way}")
    parser.add_argument("--turn", choices=list(WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        with redirect_stdout(sys.stderr):  # some tools print lists, which would be taken for rows
            device = () if args.turn in OTHERS else (args.device,)
            rows = list(WAYS[args.turn](args.base, args.cases, args.seconds, *device))
        print(f"\n{json.dumps(rows)}")
        return
    pythons = {way: getattr(args, way) if way in OTHERS else sys.executable for way in args.ways}
    for way, python in pythons.items():
        if way in OTHERS and args.device != "cpu":
            pythons[way] = None
        elif not python:
            print(f"{way}: not run: name the python of an environment that has it, --{way} PYTHON")
        elif not shutil.which(python):
            parser.error(f"--{way} {python}: there is no such program")
    with tempfile.TemporaryDirectory() as folder:
        compare({way: python for way, python in pythons.items() if python}, args, Path(folder))


def compare(pythons: dict[str, str], args, folder: Path) -> None:
    """The turns of all ways, round by round; `folder` takes what the other tools read."""
    base = args.base
    if not pythons.keys().isdisjoint(OTHERS):
        from langlearn import assets, errors

        try:
            base = str(assets.model_folder(args.base, weights=True).resolve())
            write_for_others(args.cases, folder)
        except errors.UserError as error:
            sys.exit(f"error: {error}")
    speeds, losses, measured = {way: [] for way in pythons}, {}, {}
    for number in range(args.rounds):
        for way, python in pythons.items():
            source = (base, str(folder)) if way in OTHERS else (args.base, args.cases)
            rows, held_out = take_turn(python, way, *source, args)
            if not rows:
                continue
            timed = rows[1:]  # the first warms up
            speeds[way].append(sum(r[0] for r in timed) / sum(r[1] for r in timed))
            losses[way] = [round(r[2], 3) for r in rows]
            if held_out is not None:
                tokens, seconds = (sum(r[n] for r in rows) for n in (0, 1))
                measured[way] = {"loss": held_out, "tokens": tokens, "seconds": seconds}
            print(f"round {number + 1} {way:12} {speeds[way][-1]:8.0f} real tokens/s, {len(timed)} steps", flush=True)
    medians = {way: statistics.median(found) for way, found in speeds.items() if found}
    for way, speed in medians.items():
        ratio = f", this project is {medians['ours'] / speed:.2f} times as fast" if "ours" in medians else ""
        print(f"{way:12} median {speed:8.0f} real tokens/s{ratio}")
        print(f"             loss of every tenth step: {losses[way][::10]}")
        if after := measured.get(way):
            print("             held-out loss {loss:.3f} after {tokens:,} tokens in {seconds:.0f} s".format(**after))
    if args.record:
        record = {
            way: {"tokens_per_second": speeds[way], "losses": losses[way], "held_out": measured.get(way)}
            for way in medians
        }
        args.record.write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
