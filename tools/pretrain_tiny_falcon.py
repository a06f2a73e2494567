"""Train the built-in small Falcon from scratch on open medical text.

    python tools/pretrain_tiny_falcon.py --medquad medquad.jsonl.gz --text covid_articles.jsonl mts_dialog.jsonl \
        aci_bench.jsonl --output models/tiny-falcon --minutes 75

The story: read the text → hold out whole MedQuAD foci → train a byte-level BPE → pack → train → measure → save.
The learning rate follows the clock, not a step count, so the run ends on time on any machine (or `--tokens`). The same
command resumes an interrupted run from its newest checkpoint (`--work`). A GPU is used where there is one. Phases
follow each other with `--init`; `--cases` adds documents that answer from retrieved cases (case_documents.py).
"""

import argparse
import gzip
import hashlib
import json
import math
import random
import re
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import FalconConfig, FalconForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from case_documents import case_documents, read_foci  # noqa: E402

from langlearn import checkpoint, falcon  # noqa: E402

EOS = "<|endoftext|>"
HELD_OUT = 0.05  # share of MedQuAD foci never trained on


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--medquad", type=Path, required=True, help="medquad.jsonl.gz")
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="more JSONL text, see `other_documents`")
    parser.add_argument("--output", type=Path, required=True, help="where model and tokenizer go")
    parser.add_argument("--work", type=Path, default=None, help="checkpoints and log; default: OUTPUT.work")
    parser.add_argument(
        "--tokenizer", type=Path, default=None, help="reuse this tokenizer.json instead of training one"
    )
    parser.add_argument("--minutes", type=float, default=75.0, help="training time; the schedule follows it")
    parser.add_argument(
        "--tokens", type=float, default=None, help="train on so many tokens instead (to compare settings)"
    )
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="AdamW's, for embeddings and norms too")
    parser.add_argument("--muon-learning-rate", type=float, default=0.02)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--length", type=int, default=512, help="row length at first")
    parser.add_argument("--final-length", type=int, default=1024, help="row length in the last part")
    parser.add_argument("--final-share", type=float, default=0.3, help="share of the time at the final length")
    parser.add_argument("--init", type=Path, default=None, help="go on from this model (with its tokenizer)")
    parser.add_argument("--cases", type=int, default=0, help="add so many documents that answer from retrieved cases")
    parser.add_argument("--untied", action="store_true", help="an LM head of its own (for comparisons)")
    parser.add_argument("--medquad-only", action="store_true", help="leave the other text out (for comparisons)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def held_out(focus: str) -> bool:
    """By hash, so that the split depends on nothing but the focus itself."""
    return int(hashlib.sha256(focus.lower().strip().encode()).hexdigest()[:8], 16) / 2**32 < HELD_OUT


def medquad_documents(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """(train, held out): a list of documents per focus, in the template that fine-tuning uses."""
    groups: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            question, answer = " ".join(row["question"].split()), row["answer"].strip()
            groups.setdefault(row["focus"], []).append(f"Question: {question}\nAnswer: {answer}")
    train = [docs for focus, docs in groups.items() if not held_out(focus)]
    return train, [docs for focus, docs in groups.items() if held_out(focus)]


def other_documents(path: Path) -> list[list[str]]:
    """Articles as they are; a consultation followed by the note written from it (learning to copy what matters)."""
    documents = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "note" in row:
            documents.append([f"{row['dialogue'].strip()}\n\nNote: {row['note'].strip()}"])
        elif "section_text" in row:
            documents.append([f"{row['dialogue'].strip()}\n\nNote: {row['section_text'].strip()}"])
        else:
            documents.append([row["text"].strip()])
    return documents


def train_tokenizer(documents: list[list[str]], size: int) -> Tokenizer:
    """Byte-level BPE; digits stand alone so that ages and doses are read digit by digit."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[EOS], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((text for group in documents for text in group), trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, groups: list[list[str]]) -> list[np.ndarray]:
    """One int32 array a group: its documents end to end, each closed by EOS."""
    eos = tokenizer.token_to_id(EOS)
    return [
        np.concatenate([np.array([*e.ids, eos], dtype=np.int32) for e in tokenizer.encode_batch(group)])
        for group in groups
    ]


class Stream:
    """Endless rows of packed groups, shuffled anew each epoch from the seed; position is (epoch, offset)."""

    def __init__(self, groups: list[np.ndarray], seed: int):
        self.groups, self.seed, self.epoch, self.offset = groups, seed, 0, 0
        self._lay_out()

    def _lay_out(self):
        order = list(range(len(self.groups)))
        random.Random(f"{self.seed}-{self.epoch}").shuffle(order)
        self.tokens = np.concatenate([self.groups[i] for i in order])

    def seek(self, epoch: int, offset: int):
        self.epoch, self.offset = epoch, offset
        self._lay_out()

    def batch(self, rows: int, length: int) -> torch.Tensor:
        """(rows, length + 1) int64: inputs and, one to the right, targets."""
        if self.offset + rows * length + 1 > len(self.tokens):
            self.seek(self.epoch + 1, 0)
        start = self.offset + np.arange(rows)[:, None] * length
        self.offset += rows * length
        return torch.from_numpy(self.tokens[start + np.arange(length + 1)].astype(np.int64))


def build(args, vocabulary: int, eos: int) -> FalconForCausalLM:
    config = FalconConfig(
        vocab_size=vocabulary, hidden_size=args.hidden, num_hidden_layers=args.layers, num_attention_heads=args.heads,
        multi_query=True, parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False,
        hidden_dropout=0.0, attention_dropout=0.0, max_position_embeddings=2048, bos_token_id=eos, eos_token_id=eos,
        attn_implementation=falcon.FUSED, tie_word_embeddings=not args.untied,
    )  # fmt: skip
    with falcon.quantisable():
        model = FalconForCausalLM(config)
    for name, parameter in model.named_parameters():  # residual branches start small: GPT-2 §2.3
        if name.endswith(("dense.weight", "dense_4h_to_h.weight")):
            torch.nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * args.layers))
    return model


def optimizers(args, model) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the hidden matrices, AdamW for embeddings and norms; or AdamW for all."""
    ends = ("word_embeddings.weight", "lm_head.weight")
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and not n.endswith(ends)]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or n.endswith(ends)]
    adamw = dict(lr=args.learning_rate, betas=(0.9, 0.95), fused=True)
    if args.optimizer == "adamw":
        groups = [dict(params=matrices, weight_decay=args.weight_decay), dict(params=rest, weight_decay=0.0)]
        return [torch.optim.AdamW(groups, **adamw)]
    return [
        torch.optim.AdamW(rest, weight_decay=0.0, **adamw),
        torch.optim.Muon(
            matrices, lr=args.muon_learning_rate, weight_decay=args.weight_decay, adjust_lr_fn="original"
        ),
    ]


def schedule(progress: float) -> float:
    """Warm-up over the first 2 %, then linear to zero."""
    return min(progress / 0.02, 1.0) * max(0.0, 1.0 - max(0.0, progress - 0.02) / 0.98)


def done(args, state: dict) -> float:
    """Share of the training that is behind us."""
    return state["tokens"] / args.tokens if args.tokens else state["seconds"] / (60 * args.minutes)


@torch.no_grad()
def held_out_loss(model, groups: list[np.ndarray], eos: int, device, length: int = 1024) -> float:
    """Nats a token over every held-out document, each read alone from its start, cut at `length`."""
    total = count = 0
    for group in groups:
        for document in np.split(group, np.flatnonzero(group == eos)[:-1] + 1):
            ids = torch.from_numpy(document[:length].astype(np.int64)).to(device)[None]
            with torch.autocast(device.type, dtype=torch.bfloat16):
                logits = model(ids[:, :-1], use_cache=False).logits
            total += F.cross_entropy(logits[0].float(), ids[0, 1:], reduction="sum").item()
            count += ids.shape[1] - 1
    return total / count


@torch.no_grad()
def naming(model, tokenizer: Tokenizer, documents: list[tuple[str, str, str]], device) -> dict[str, float]:
    """Of documents about unseen foci: the share whose name comes out whole and greedily, by how the cases help."""
    right = {"with a case of it": [], "without": []}
    for prompt, lead, rest in documents:
        name = re.match(r".*?(?= \[\d\]|\. |\.$)|.*", rest)[0]
        given, wanted = tokenizer.encode(prompt + lead).ids, tokenizer.encode(name).ids
        ids = torch.tensor([given + wanted], device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = model(ids[:, :-1], use_cache=False).logits[0, len(given) - 1 :]
        found = name.strip() in prompt
        right["with a case of it" if found else "without"].append(logits.argmax(-1).tolist() == wanted)
    return {key: sum(each) / max(1, len(each)) for key, each in right.items()}


def main():
    args = arguments()
    work = args.work or args.output.with_name(args.output.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(args.seed)

    train, held = medquad_documents(args.medquad)
    others = [] if args.medquad_only else [group for path in args.text for group in other_documents(path)]
    if args.tokenizer:
        tokenizer = Tokenizer.from_file(str(args.tokenizer))
    elif (work / "tokenizer.json").exists():
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(train + others, args.vocabulary)
    tokenizer.save(str(work / "tokenizer.json"))
    eos = tokenizer.token_to_id(EOS)
    foci = read_foci(args.medquad, lambda focus: not held_out(focus))
    others = others + [["".join(parts)] for parts in case_documents(foci, args.cases, args.seed)]
    unseen = case_documents(read_foci(args.medquad, held_out), 300, args.seed)
    stream, held = Stream(encode(tokenizer, train + others), args.seed), encode(tokenizer, held)

    model = build(args, tokenizer.get_vocab_size(), eos).to(device)
    if args.init:
        model.load_state_dict(load_file(args.init / "model.safetensors"), strict=False)
    optims = optimizers(args, model)
    peaks = [group["lr"] for optimizer in optims for group in optimizer.param_groups]
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
          f"{len(stream.tokens):,} tokens an epoch, {sum(map(len, held)):,} held out, {device}",
          flush=True)  # fmt: skip

    @torch.compile
    def loss_of(batch):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            hidden = model.transformer(batch[:, :-1], use_cache=False)[0]
            logits = model.lm_head(hidden)
            return F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())

    state = dict(step=0, tokens=0, seconds=0.0)
    if (work / "newest" / "meta.json").exists():
        tensors, state = checkpoint.load(work / "newest")
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")}, strict=False)
        for number, optimizer in enumerate(optims):
            checkpoint.restore_optimizer(optimizer, tensors, f"optimizer{number}")
        stream.seek(state["epoch"], state["offset"])
        print(f"resumed at step {state['step']}", flush=True)

    def save_state():
        tensors = {f"model.{k}": v for k, v in model.named_parameters()}
        for number, optimizer in enumerate(optims):
            tensors |= checkpoint.optimizer_tensors(optimizer, f"optimizer{number}")
        checkpoint.save(work / "newest", tensors, state | dict(epoch=stream.epoch, offset=stream.offset))

    clock, said, saved, running = time.monotonic(), 0.0, 0.0, None
    log = (work / "log.jsonl").open("a", encoding="utf-8")
    model.train()
    while (progress := done(args, state)) < 1:
        scale = schedule(max(progress, 1e-4))
        for group, peak in zip((g for o in optims for g in o.param_groups), peaks, strict=True):
            group["lr"] = peak * scale
        length = args.length if progress < 1 - args.final_share else args.final_length
        batch = stream.batch(max(1, args.batch_tokens // length), length).to(device)
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optims:
            optimizer.step()
            optimizer.zero_grad()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        state["step"] += 1
        state["tokens"] += batch.shape[0] * length
        now = time.monotonic()
        state["seconds"], clock = state["seconds"] + now - clock, now
        if state["seconds"] - said > 30:
            said = state["seconds"]
            rate = round(state["tokens"] / state["seconds"])
            row = dict(state, loss=round(running, 4), epoch=stream.epoch, rate=rate)
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(f"{progress:5.1%} step {state['step']} epoch {stream.epoch} loss {running:.3f} "
                  f"{rate} tokens/s", flush=True)  # fmt: skip
        if state["seconds"] - saved > 300:
            saved = state["seconds"]
            save_state()
    save_state()

    model.eval()
    state["held_out_loss"] = held_out_loss(model, held, eos, device)
    state["train_loss"] = running
    state["names_unseen_foci"] = naming(model, tokenizer, unseen, device)
    print(f"held-out foci: {state['held_out_loss']:.4f} nats a token; named: {state['names_unseen_foci']}", flush=True)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, bos_token=EOS, model_max_length=2048)
    wrapped.save_pretrained(args.output)
    model.to(torch.bfloat16).save_pretrained(args.output)
    (args.output / "pretraining.json").write_text(
        json.dumps(state | {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()
                            if k not in ("medquad", "text", "output", "work", "tokenizer", "init", "tokens")},
                   indent=1) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
