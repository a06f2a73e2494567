"""Ask the fine-tuned model about a case; it answers from similar cases of the corpus and says which.

    python run_query.py                              an interactive prompt
    python run_query.py --query "…"                  one question; with --json, one JSON object
    python run_query.py --batch questions.txt        a question a line; the answers are JSON lines
    cat questions.txt | python run_query.py          a question a line; the answers are text
    python run_query.py --export merged              no question: the fine-tuned model as one folder for vLLM, llama.cpp

The index is built at the first start, reused afterwards, and brought up to date where the corpus has changed.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from langlearn import errors
from langlearn.errors import UserError


@dataclass
class Options:
    """this run"""

    query: str | None = None
    """Ask this one question and leave."""
    batch: str | None = None
    """Ask every line of this file; the answers are JSON lines."""
    json: bool = False
    """Answer in JSON; standard output carries nothing else."""
    rebuild: bool = False
    """Build the index anew, whatever is there."""
    export: Literal["merged"] | None = None
    """Write base and adapter merged, as a plain transformers folder for vLLM or llama.cpp, and leave."""


def main(argv: list[str]) -> None:
    from langlearn import config
    from langlearn.terminal import quiet

    quiet.libraries()
    settings, options = config.load(argv, Options, prog="run_query.py")
    refuse_nonsense(options)
    if options.export:
        export_merged(settings)
        return
    if options.query is None and not options.batch and sys.stdin.isatty():
        converse(settings, options.rebuild)
        return

    from langlearn.terminal import batch, display

    screen = display.Display(sys.stdout)
    with display.progress_bar() as progress:
        answerer = open_answerer(settings, options.rebuild, progress)

    def in_words(question: str) -> None:
        if options.query is None:
            screen.paragraph(question, start="> ")
        screen.rest(answerer.answer(question, on_text=screen.words, on_notice=screen.notice))

    def in_json(question: str) -> None:
        print(json.dumps(answerer.answer(question).as_dict()), flush=True)

    def refuse_in_json(question: str, why: str) -> None:
        print(json.dumps({"question": question, "error": why}), flush=True)

    if options.query is not None:
        (in_json if options.json else in_words)(options.query)
        return
    lines = open(options.batch, "rb") if options.batch else sys.stdin.buffer
    with lines, display.progress_bar(silent=sys.stdout.isatty()) as progress:  # answers on the screen are progress
        if options.json or options.batch:
            batch.ask_all(lines, in_json, refuse_in_json, progress)
        else:
            batch.ask_all(lines, in_words, lambda _, why: screen.paragraph(why), progress)


def refuse_nonsense(options: Options) -> None:
    """What cannot be answered is said before anything is loaded."""
    others = [name for name in ("query", "batch", "json", "rebuild") if getattr(options, name) not in (None, False)]
    if options.export and others:
        raise UserError(f"--export and --{others[0]} are both given: an export answers no question, keep one")
    if options.query is not None and options.batch:
        raise UserError("--query and --batch are both given: keep one")
    if options.query is not None and not options.query.strip():
        raise UserError("--query is empty: ask something, such as --query 'What is a sprained ankle?'")
    if options.batch and not Path(options.batch).is_file():
        raise UserError(f"--batch {options.batch} does not exist: give a text file with a question a line")
    if options.json and options.query is None and not options.batch and sys.stdin.isatty():
        raise UserError("--json needs a question: add --query or --batch, or pipe questions in")


def export_merged(settings) -> None:
    """Base and adapter as one model, proven before it is put in place, and what to do with it."""
    from langlearn import assets, export, hardware
    from langlearn.terminal import display

    with display.progress_bar() as progress:
        folder, found = export.export(settings, hardware.describe(), progress)
    print(f"merged model: {folder}")
    display.Display(sys.stdout).paragraph(f"Against the adapter on its base: {found}.")
    print(f"\n{export.next_steps(folder, assets.model_folder(settings.model.base, settings.model.revision))}")


def converse(settings, rebuild: bool) -> None:
    """The interactive prompt, there at once: index and model load while the first question is typed."""
    from langlearn.terminal import console
    from langlearn.terminal.display import Display
    from langlearn.terminal.opening import Opening

    opening = Opening(lambda progress: open_answerer(settings, rebuild, progress))
    conversation = console.Conversation(opening, Display(sys.stdout), settings.answering.k)
    conversation.run(console.history(settings.answering.history))


def open_answerer(settings, rebuild: bool, progress):
    """The index and the model, each with a word on standard error."""
    from langlearn import hardware
    from langlearn.answering import Answerer
    from langlearn.speaker import load_speaker

    retriever = open_retriever(settings, rebuild, progress) if settings.answering.k else None
    machine = hardware.describe()
    speaker = load_speaker(settings, machine, hardware.choose_dtype(settings.model.dtype, machine)[0])
    if speaker.adapter:
        say(f"model {speaker.base} with the adapter in {speaker.adapter}")
        tell_of_other_cases(speaker.adapter, retriever)
    else:
        say(f"no adapter trained yet: answering with the base model {speaker.base} alone")
    return Answerer(speaker, retriever, settings.answering)


def tell_of_other_cases(adapter: Path, retriever) -> None:
    """That may be meant; whoever forgot to name their cases would have answers from the wrong ones."""
    from langlearn import model

    data = model.read_run(adapter)["data"]
    if retriever and retriever.index.manifest["corpus"]["sha256"] != data.get("sha256"):
        say(f"note: the adapter was trained on {data['file']}; answers come from the cases above (--data.cases)")


def open_retriever(settings, rebuild: bool, progress):
    """The corpus' index: loaded where it is current, else brought up to date."""
    from langlearn import cases, retrieval

    corpus = cases.read(settings.data)
    retriever = retrieval.open_retriever(settings.index, settings.answering.mode, corpus, progress, rebuild)
    say(f"{corpus.summary()}\n{retriever.index.opened()}")
    return retriever


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    errors.run(main, resumes=False)
