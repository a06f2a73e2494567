"""An answer on a terminal: words as they come, then what they rest on; never wider than 80 columns."""

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from langlearn import prompts
from langlearn.clinical.untrusted import strip_terminal

if TYPE_CHECKING:  # slow to import, and the prompt must not wait for them
    from langlearn.answering import Answer, Citation
    from langlearn.safety import Notice

WIDEST = 80


class Display:
    """Writes to `out`; colours only where that is a terminal which has them."""

    def __init__(self, out: TextIO):
        self.out = out
        self.width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns) if out.isatty() else WIDEST
        self.console = Console(file=out, width=self.width, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._column = 0

    def notice(self, notice: "Notice") -> None:
        self.paragraph(notice.text, style="bold red", start="! ")
        self.line()

    def words(self, text: str) -> None:
        """The next piece of an answer, which ends between two words."""
        for blank, word in re.findall(rf"(\s*)(\S{{0,{self.width}}})", text):
            if "\n" in blank or self._column + len(blank) + len(word) > self.width:
                self.out.write("\n")
                self._column = 0
            part = " " * bool(blank and self._column) + word
            self.out.write(part)
            self._column += len(part)
        self.out.flush()

    def end_words(self) -> None:
        if self._column:
            self.out.write("\n")
        self._column = 0

    def rest(self, answer: "Answer") -> None:
        """What stands below an answer: the cases, what is to be doubted, the disclaimer."""
        self.end_words()
        if answer.abstained and answer.answer:
            self.paragraph(answer.answer)
        if answer.citations:
            self.line("\nThe cases it was given (similarity to the question):")
            for citation in answer.citations:
                self.citation(citation)
        doubts = [each.sentence for each in answer.support if not each.supported]
        if doubts:
            self.line("\nNot borne out by these cases:")
            for sentence in doubts:
                self.paragraph(textwrap.shorten(sentence, 2 * self.width - 8, placeholder=" …"), start="? ")
        for remark in remarks(answer):
            self.paragraph(remark, style="dim")
        for notice in answer.notices:
            if notice.kind == "dose":
                self.notice(notice)
        self.line()
        self.paragraph(prompts.DISCLAIMER, style="dim")

    def citation(self, citation: "Citation", whole: bool = False) -> None:
        start = f"[{citation.number}] {citation.score:.2f}  "
        if not whole:
            two_lines = 2 * (self.width - len(start)) - 4
            prompt = citation.text.partition("\n")[0]
            return self.paragraph(textwrap.shorten(prompt, two_lines, placeholder=" …"), start=start)
        for number, part in enumerate(citation.text.splitlines()):
            self.paragraph(part, start=" " * len(start) if number else start)
        self.line()

    def paragraph(self, text: str, style: str = "", start: str = "") -> None:
        """Wrapped, its further lines indented below its first."""
        text, further = " ".join(text.split()), " " * len(start)
        for line in textwrap.wrap(text, self.width, initial_indent=start, subsequent_indent=further):
            self.line(line, style)

    def line(self, text: str = "", style: str = "") -> None:
        self.console.print(strip_terminal(text), style=style or None)


def remarks(answer: "Answer") -> list[str]:
    """What became of the answer on its way, and how long it took."""
    said = []
    if answer.removed_citations:
        gone = ", ".join(f"[{number}]" for number in answer.removed_citations)
        said.append(f"Removed from the answer: {gone}. There is no such case.")
    if answer.left_out:
        said.append(f"Found, but without room in the window: {answer.left_out} more of the cases.")
    if not answer.complete:
        said.append("The model had not finished: ended at answering.max_new_tokens, or where it went round in circles.")
    timings = answer.timings
    if "tokens" in timings:
        said.append(
            f"{timings['tokens']:.0f} tokens in {timings['total']:.1f} s, "
            f"the first after {timings['first_token']:.2f} s, retrieval {1000 * timings['retrieval']:.0f} ms"
        )
    return said


@contextmanager
def progress_bar(silent: bool = False) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yields progress(what, done, total): a bar on standard error, gone when it is done; none in a log file,
    nor where it is to be `silent`."""
    columns = (TextColumn("{task.description}"), BarColumn(24), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, disable=silent or not sys.stderr.isatty(),
        redirect_stdout=sys.stdout.isatty(),  # what is printed stands above the bar, but in a file where that is asked
    )  # fmt: skip
    tasks = {}
    with bar:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            told = what if total or not done else f"{what}: {done:,}"
            bar.update(tasks[what], description=told, completed=done, total=total)

        yield show
