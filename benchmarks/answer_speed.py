"""Seconds an answer: the old query script's way and run_query.py's, on the same model, question by question in turn.

    python benchmarks/answer_speed.py                                   the model and corpus of config.yaml
    python benchmarks/answer_speed.py --questions 10 --starts 1 --model.base models/tiny-falcon

    old     NF4 base + adapter, stock attention, this machine's 16-bit type where it has one; MiniLM, exact FAISS,
            k = 3, "Context: … Question: … Answer:", always 100 new tokens. Its vectors are given to it.
    ours    run_query.py's own parts: fused retrieval, whole cases, the training template, folded weights, prompt
            lookup, an end where the model ends; notices, citation check, sentence support and doses included

The questions are held-out cases, which are never retrieved for themselves. Then each step of ours is measured apart,
with the share of answers that are the same, token for token, as those of the model as it was trained.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from langlearn import config, errors  # noqa: E402
from langlearn.terminal import quiet  # noqa: E402

NEW_TOKENS, K = 100, 3


@dataclass
class Options:
    """this measurement"""

    questions: int = 20
    """Questions that both ways answer."""
    starts: int = 3
    """Times that both programs are started."""
    old_start: str | None = None
    """Used by the benchmark itself: load what the old script loads, from this folder of vectors."""


class OldWay:
    """The old query script's parts."""

    def __init__(self, settings: config.Config, vectors):
        import faiss
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        from langlearn import assets, falcon, hardware, model

        machine = hardware.describe()
        dtype = hardware.choose_dtype(settings.model.dtype, machine)[0]
        four_bit = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        with falcon.quantisable():  # the old script's 4-bit loading quantised nothing; it gets what it asked for
            base = AutoModelForCausalLM.from_pretrained(
                assets.model_folder(settings.model.base, settings.model.revision), quantization_config=four_bit,
                dtype=dtype, device_map={"": machine.device}, attn_implementation="sdpa", local_files_only=True,
            )  # fmt: skip
        self.model = adapted(base, settings).eval()
        self.tokenizer = model.load_tokenizer(settings.model)
        self.embedder = SentenceTransformer(str(assets.embedder_folder("all-MiniLM-L6-v2")))
        self.index = faiss.IndexFlatL2(vectors.shape[1])
        self.index.add(vectors)
        self.device, self.no_grad = machine.device, torch.no_grad

    def retrieve(self, question: str, k: int = K) -> list[int]:
        return self.index.search(self.embedder.encode([question], show_progress_bar=False), k)[1][0].tolist()

    def answer(self, question: str, texts: list[str], itself: int) -> tuple[float, float, int]:
        """(seconds to the first token, seconds, tokens)"""
        began = time.perf_counter()
        found = [row for row in self.retrieve(question, K + 1) if row != itself][:K]
        context = "\n".join(texts[row] for row in found)
        prompt = f"Context:\n{context}\n\nQuestion: {question}\nAnswer:"
        inputs = self.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False).to(self.device)
        seen = []
        watch = [lambda ids, scores, **_: bool(seen.append(time.perf_counter())) or False]
        with self.no_grad():
            output = self.model.generate(
                **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, use_cache=True,
                pad_token_id=self.tokenizer.pad_token_id, stopping_criteria=watch,
            )  # fmt: skip
        self.tokenizer.decode(output[0], skip_special_tokens=True)
        return seen[0] - began, time.perf_counter() - began, output.shape[1] - inputs.input_ids.shape[1]


def adapted(base, settings: config.Config):
    """With the trained adapter, or with a fresh one: it costs the same."""
    from langlearn import model

    folder = Path(settings.training.output)
    if (folder / "run.json").is_file():
        return model.load_adapter(base, settings.model, folder)
    return model.add_adapter(base, settings.adapter, seed=0)


class Hiding:
    """A retriever that never finds the case whose prompt asks."""

    def __init__(self, retriever):
        self.retriever, self.index, self.threshold = retriever, retriever.index, -1.0
        self.own = {case.prompt: case.id for case in retriever.index.cases}

    def search(self, question: str, k: int):
        return self.retriever.search(question, k, {self.own.get(question, "")})


def main(argv: list[str]) -> None:
    quiet.libraries()
    settings, options = config.load(argv, Options, prog="benchmarks/answer_speed.py")
    if options.old_start:
        import numpy as np

        OldWay(settings, np.load(Path(options.old_start) / "vectors.npy", allow_pickle=False))
        print("ready", flush=True)
        return

    import run_query
    from langlearn import cases, hardware
    from langlearn.answering import Answerer

    answerer = run_query.open_answerer(settings, False, lambda *_: None)
    hiding = Hiding(answerer.retriever)
    ours = Answerer(answerer.speaker, hiding, replace(settings.answering, min_similarity=-1.0))
    corpus = hiding.index.cases
    _, held_out = cases.split(cases.read(settings.data), settings.data.train_share, settings.data.seed)
    asked = held_out[: options.questions]
    texts = [f"{case.prompt}\n{case.completion}" for case in corpus]
    vectors = hiding.retriever.embedder.encode(texts)
    old = OldWay(settings, vectors)
    adapter = answerer.speaker.adapter or "a fresh one"
    print(f"\n{hardware.describe()}; base {settings.model.base}, adapter {adapter}")
    print(f"{len(corpus)} cases, {len(asked)} questions\n")

    numbers = {case.id: row for row, case in enumerate(corpus)}
    compare_answers(old, ours, asked, texts, numbers)
    compare_retrieval(old, hiding, [case.prompt for case in corpus])
    take_apart(settings, ours, asked)
    compare_starts(argv, settings, options, vectors)


def compare_answers(old: OldWay, ours, asked, texts: list[str], numbers: dict[str, int]) -> None:
    rows = {"old": [], "ours": []}
    old.answer(asked[0].prompt, texts, numbers[asked[0].id])
    ours.answer(asked[0].prompt)
    for case in asked:
        rows["old"].append(old.answer(case.prompt, texts, numbers[case.id]))
        timings = ours.answer(case.prompt, on_text=lambda _: None).timings
        rows["ours"].append((timings["first_token"], timings["total"], timings["tokens"]))
    print(f"{'an answer (median)':28}{'first token':>12}{'whole':>10}{'tokens':>8}{'tokens/s':>10}")
    for way, values in rows.items():
        first, whole, tokens = (statistics.median(column) for column in zip(*values, strict=True))
        speed = sum(v[2] for v in values) / sum(v[1] - v[0] for v in values)
        print(f"{way:28}{first:10.3f} s{whole:8.3f} s{tokens:8.0f}{speed:10.1f}")
    ratio = statistics.median(o[1] for o in rows["old"]) / statistics.median(n[1] for n in rows["ours"])
    token = [statistics.median(v[1] / v[2] for v in values) for values in rows.values()]
    print(f"ours is {ratio:.2f} times faster an answer, {token[0] / token[1]:.2f} times a token\n")


def compare_retrieval(old: OldWay, hiding: Hiding, questions: list[str]) -> None:
    print(f"{'retrieval':28}{'p50':>12}{'p99':>10}   ({len(questions)} questions)")
    spent = {"old": [], "ours": []}
    for question in questions:
        for way, search in (("old", old.retrieve), ("ours", lambda q: hiding.search(q, K))):
            spent[way].append(seconds(lambda: search(question))[0])  # noqa: B023
    for way, values in spent.items():
        p50, p99 = statistics.median(values), sorted(values)[int(0.99 * len(values))]
        print(f"{way:28}{1000 * p50:9.1f} ms{1000 * p99:7.1f} ms")
    print()


def take_apart(settings: config.Config, ours, asked) -> None:
    """The same prompts and as many tokens, with one step more in each row."""
    from langlearn import generation, hardware, model

    speaker, dtype = ours.speaker, ours.speaker.model.dtype
    trained = adapted(model.load_base(settings.model, hardware.describe().device, dtype), settings).eval()

    def says(which, text: str, lookup: bool):
        return seconds(lambda: generation.generate(which, speaker.tokenizer, [text], NEW_TOKENS, lookup=lookup)[0])

    found = [[hit.case for hit in ours.retriever.search(case.prompt, K)] for case in asked]
    texts = [ours.fit(case.prompt, cases).prompt for case, cases in zip(asked, found, strict=True)]
    folded = "folded" if speaker.folded else "not folded"
    said = {"as trained": [], f"as it answers ({folded})": [], "with prompt lookup": []}
    for text in texts:
        for values, (which, lookup) in zip(
            said.values(), ((trained, False), (speaker.model, False), (speaker.model, True)), strict=True
        ):
            values.append(says(which, text, lookup))
    print(f"{f'step by step, {dtype}':36}{'an answer':>10}{'tokens/s':>10}{'same answer':>13}")
    for name, values in said.items():
        same = sum(one.text == other.text for (_, one), (_, other) in zip(values, said["as trained"], strict=True))
        whole, tokens = statistics.median(v[0] for v in values), sum(g.tokens for _, g in values)
        print(f"{name:36}{whole:8.3f} s{tokens / sum(v[0] for v in values):10.1f}{same:7} of {len(values)}")
    further_questions(speaker, found)


def further_questions(speaker, found) -> None:
    """A second question on the cases of the first: with the prompt's beginning kept, and read anew."""
    from langlearn import generation, prompts

    first = {"read anew": [], "kept": []}
    for cases in found:
        texts = [prompts.context_prompt(text, cases) for text in ("What is it?", "How is it treated?")]
        for way, values in first.items():
            kept = generation.Kept() if way == "kept" else None
            said = [generation.generate(speaker.model, speaker.tokenizer, [t], 20, kept=kept)[0] for t in texts]
            values.append(said[1].seconds_to_first)
    anew, kept = (1000 * statistics.median(values) for values in first.values())
    print(f"a further question on the same cases: first token after {kept:.0f} ms, {anew:.0f} ms if all is read anew\n")


def compare_starts(argv: list[str], settings: config.Config, options: Options, vectors) -> None:
    """Wall seconds from the command to the prompt, and until a question can be answered."""
    import numpy as np

    ready = {"old": [], "ours": []}
    prompt = []
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "vectors.npy", vectors)
        rest = [*argv, "--old_start", folder]
        for _ in range(options.starts):
            command = [sys.executable, __file__, *rest]
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            ready["old"].append(time.perf_counter() - began)
            shown, able = start_of_run_query(settings_only(argv))
            prompt.append(shown)
            ready["ours"].append(able)
    if not options.starts:
        return
    print(f"{'start (median)':28}{'prompt':>12}{'ready':>10}")
    old, shown, new = (statistics.median(values) for values in (ready["old"], prompt, ready["ours"]))
    print(f"{'old':28}{old:10.2f} s{old:8.2f} s\n{'ours':28}{shown:10.2f} s{new:8.2f} s")


def settings_only(argv: list[str]) -> list[str]:
    """The command line without this benchmark's own options."""
    kept, skip = [], False
    for word in argv:
        own = word.split("=")[0] in ("--questions", "--starts", "--old_start")
        if not (own or skip):
            kept.append(word)
        skip = own and "=" not in word
    return kept


def start_of_run_query(arguments: list[str]) -> tuple[float, float]:
    """(seconds until its prompt is on the screen, seconds until everything is loaded), on a pseudo terminal."""
    import pty

    began = time.perf_counter()
    process, screen = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, str(ROOT / "run_query.py"), *arguments])
    text, shown = b"", 0.0
    while b"no adapter trained" not in text and b"with the adapter" not in text:
        text += os.read(screen, 65536)
        if b"\x1b[6n" in text:  # where is the cursor?
            os.write(screen, b"\x1b[1;1R")
            text = text.replace(b"\x1b[6n", b"")
        shown = shown or (time.perf_counter() - began if b"ask>" in text else 0.0)
    able = time.perf_counter() - began
    os.kill(process, 9)
    os.waitpid(process, 0)
    os.close(screen)
    return shown, able


def seconds(do: Callable):
    """(seconds it took, what it returned)"""
    began = time.perf_counter()
    result = do()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    errors.run(main)
