"""Documents that teach a small model to answer from retrieved cases, made from question-and-answer text.

A MedQuAD focus becomes a diagnosis: some of its sentences, its names masked, are a case; its name and other sentences
are the answer. Each document is the very prompt that answers later, with its answer:

    Similar cases:                               ← of this focus or of others, some of them with a related name
    [1] sentences … → Likely diagnosis: A. …
    [2] sentences … → Likely diagnosis: B. …
    Question: other sentences of B
    Answer: Likely diagnosis: B [2]. …

To predict the name the model has to find the case that is like the question and copy from it: foci are so many, and
each document is so differently drawn, that remembering does not help. In a share of the documents names and answers
are random words, so that copying is learned for words of any kind, not only for those that fit a context.
"""

import gzip
import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from langlearn import prompts

LEADS = ("Likely diagnosis: {}.", "Likely diagnosis: {}.", "Likely diagnosis: {}.", "The likely diagnosis is {}.",
         "This is most likely {}.", "Diagnosis: {}.", "The picture suggests {}.", "Findings fit {}.")  # fmt: skip
KINDS = {"information", "symptoms", "causes", "exams and tests", "treatment", "susceptibility", "outlook"}
COPIED = 0.7  # share of answers that say what the cited case's answer says; the others say something else that is true
RANDOM_WORDS = 0.35  # share of documents whose names and answers are random words
MOST_NAMED = 2  # a sentence that so many foci share after masking is boilerplate


@dataclass(frozen=True)
class Focus:
    """A diagnosis with what is written about it: masked[i] is sentences[i] without its names."""

    name: str
    sentences: list[str]
    masked: list[str]


@dataclass(frozen=True)
class Written:
    """One case as it stands in a prompt."""

    prompt: str
    completion: str


def read_foci(path: Path, wanted) -> list[Focus]:
    """The foci for which `wanted(name)` holds and that have at least six sentences of 6 to 40 words."""
    names, texts = defaultdict(set), defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["focus"].strip() and row["qtype"] in KINDS and wanted(row["focus"]):
                names[row["focus"]] |= {row["focus"], *row["synonyms"]}
                texts[row["focus"]] += re.split(r"(?<=[a-z)][.!])\s+(?=[A-Z])", " ".join(row["answer"].split()))
    foci = []
    for name, sentences in texts.items():
        mask = re.compile(r"\b(?:%s)s?\b" % "|".join(map(re.escape, sorted(names[name], key=len, reverse=True))), re.I)
        kept = list(dict.fromkeys(s for s in sentences if 6 <= len(s.split()) <= 40 and s.endswith(".")))
        foci.append(Focus(name, kept, [mask.sub("it", s) for s in kept]))
    shared = Counter(sentence for focus in foci for sentence in set(focus.masked))
    return [cleaned for focus in foci if len((cleaned := _without(focus, shared)).sentences) >= 6]


def _without(focus: Focus, shared: Counter) -> Focus:
    kept = [i for i, sentence in enumerate(focus.masked) if shared[sentence] <= MOST_NAMED]
    return Focus(focus.name, [focus.sentences[i] for i in kept], [focus.masked[i] for i in kept])


def case_documents(foci: list[Focus], count: int, seed: int) -> list[tuple[str, str, str]]:
    """(prompt, start of the answer up to the name, rest) of `count` documents; joined they are the text."""
    draw = random.Random(f"cases-{seed}")
    related = defaultdict(list)
    for focus in foci:
        for word in set(focus.name.lower().split()):
            related[word].append(focus)
    words = sorted({word for focus in foci for sentence in focus.sentences for word in sentence.split()})
    return [_document(draw.choice(foci), foci, related, words, draw) for _ in range(count)]


def _document(
    asked: Focus, foci: list[Focus], related: dict, words: list[str], draw: random.Random
) -> tuple[str, str, str]:
    lead, at_random = draw.choice(LEADS), draw.random() < RANDOM_WORDS
    order = draw.sample(range(len(asked.sentences)), len(asked.sentences))
    question, rest = order[: draw.randint(2, 3)], order[3:]
    k = draw.choice((1, 2, 3, 3, 4, 4))
    true = 0 if draw.random() < 0.05 else min(k, draw.choice((1, 1, 2, 3)))
    entries = [_entry(asked, rest if draw.random() < 0.7 else order, lead, draw) for _ in range(true)]
    for _ in range(k - true):
        pool = related[draw.choice(asked.name.lower().split())] if draw.random() < 0.5 else foci
        other = draw.choice(pool)
        if other.name != asked.name:
            entries.append(_entry(other, range(len(other.sentences)), lead, draw))
    if at_random:
        entries = [_in_random_words(entry, lead, words, draw) for entry in entries]
    draw.shuffle(entries)
    cited = next((n for n, entry in enumerate(entries, start=1) if entry.name == asked.name), None)
    evidence = entries[cited - 1] if cited else None
    copied = evidence and (at_random or draw.random() < COPIED)
    name = f"{evidence.called} [{cited}]" if evidence else asked.name
    says = evidence.says if copied else _joined(asked.sentences, rest[-2:])
    prompt = prompts.context_prompt(_joined(asked.masked, question), [entry.written for entry in entries])
    start, _, end = lead.partition("{}")
    return prompt, prompts.answer_text(start.strip()), f" {name}{end} {says}".rstrip()


@dataclass(frozen=True)
class _Entry:
    """A retrieved case: whose it is, how it is written, what its answer names and what it says after the name."""

    name: str
    written: Written
    called: str
    says: str


def _entry(focus: Focus, order, lead: str, draw: random.Random) -> _Entry:
    order = draw.sample(list(order), len(order))
    case, says = order[: draw.randint(1, 2)], _joined(focus.sentences, order[2 : draw.randint(3, 5)])
    written = Written(_joined(focus.masked, case), f"{lead.format(focus.name)} {says}".rstrip())
    return _Entry(focus.name, written, focus.name, says)


def _in_random_words(entry: _Entry, lead: str, words: list[str], draw: random.Random) -> _Entry:
    called, says = (" ".join(draw.choices(words, k=draw.randint(*most))) for most in ((1, 4), (8, 40)))
    return _Entry(entry.name, Written(entry.written.prompt, f"{lead.format(called)} {says}."), called, f"{says}.")


def _joined(sentences: list[str], order) -> str:
    return " ".join(sentences[i] for i in order)
