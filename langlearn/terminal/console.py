"""The interactive prompt: questions and commands, line editing, history, pasted paragraphs.

Enter asks; Esc Enter, or Enter after a backslash, begins a new line. Ctrl-C stops an answer, Ctrl-D leaves.
"""

import contextlib
import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from langlearn.errors import UserError
from langlearn.terminal.display import Display
from langlearn.terminal.opening import Opening

if TYPE_CHECKING:  # slow to import, and the prompt must not wait for them
    from langlearn.answering import Answer, Answerer

MOST_CASES = 100  # no window holds more
HISTORY_FILE = ".lang_learn_history"
COMMANDS = {
    "/k N": "retrieve N cases from now on; 0 asks the model alone",
    "/sources": "the whole text of the cases behind the last answer",
    "/help": "this list",
    "/quit": "leave; so does Ctrl-D",
}
KEYS = "Enter asks; Esc Enter or a backslash at the end begins a new line; Ctrl-C stops an answer."


class Conversation:
    """What the prompt knows between two questions. It is there before the answerer is. `k` 0: no index is opened."""

    def __init__(self, opening: "Opening[Answerer]", display: Display, k: int):
        self.opening, self.display, self.k, self.retrieves = opening, display, k, k > 0
        self.last: "Answer | None" = None

    def run(self, history: History) -> None:
        """Until /quit or Ctrl-D. Raises what opening the answerer raised."""
        self.display.line("Ask about a case. /help lists the commands, /quit leaves.")
        session = PromptSession(
            "ask> ", multiline=True, prompt_continuation="...> ", key_bindings=enter_asks(), history=history,
            rprompt=lambda: "" if self.opening.done else f"{self.opening.status} …",
        )  # fmt: skip

        def follow() -> None:
            if self.opening.failed and session.app.is_running and not session.app.is_done:
                session.app.exit(exception=EOFError)
            session.app.invalidate()

        def follow_from_background() -> None:
            with contextlib.suppress(AttributeError, RuntimeError):  # no prompt is up: the next one looks for itself
                session.app.loop.call_soon_threadsafe(follow)

        self.opening.watch(follow_from_background)
        while True:
            try:
                with patch_stdout(raw=True):  # what the opening says in the meantime stands above the prompt
                    text = session.prompt(pre_run=follow).strip()
            except KeyboardInterrupt:
                self.display.line("Ctrl-D or /quit leaves.")
                continue
            except EOFError:
                text = "/quit"
            if text == "/quit":
                break
            self.take(text)
        if self.opening.failed:
            self.opening.result()
        self.opening.leave()

    def take(self, text: str) -> None:
        """One command or question."""
        if text.startswith("/"):
            return self.command(*text.split())
        try:
            if text:
                self.ask(text)
        except UserError as error:
            if self.opening.failed:
                raise
            self.display.end_words()
            self.display.paragraph(str(error), style="yellow")
        except KeyboardInterrupt:
            self.display.end_words()
            self.display.line("Stopped.", style="dim")

    def ask(self, question: str) -> None:
        self.last = None
        if not self.opening.done:
            self.display.line(f"Still {self.opening.status}; the answer follows.", style="dim")
        answer = self.opening.result().answer(question, self.k, self.display.words, self.display.notice)
        self.display.rest(answer)
        self.last = answer

    def command(self, name: str, *arguments: str) -> None:
        say = self.display.line
        if name == "/k" and not self.retrieves:
            say("No index is open: start with --answering.k 3 for answers from similar cases.")
        elif name == "/k" and len(arguments) == 1 and arguments[0].isdecimal() and int(arguments[0]) <= MOST_CASES:
            self.k = int(arguments[0])
            say(f"{self.k} cases from now on." if self.k else "No retrieval from now on: the model answers alone.")
        elif name == "/k":
            say(f"k is {self.k}; give a whole number up to {MOST_CASES}, such as /k 5.")
        elif name == "/sources":
            self.sources()
        elif name == "/help":
            for command, meaning in COMMANDS.items():
                say(f"{command:<10}{meaning}")
            self.display.paragraph(KEYS)
        else:
            names = [command.split()[0] for command in COMMANDS]
            near = difflib.get_close_matches(name, names, 1, 0.5)
            self.display.paragraph(f"{name[:40]} is no command{f'; did you mean {near[0]}?' if near else '.'} "
                                   "/help lists them.")  # fmt: skip

    def sources(self) -> None:
        if not (self.last and self.last.citations):
            return self.display.line("The last answer has no cases behind it.")
        for citation in self.last.citations:
            self.display.citation(citation, whole=True)


def enter_asks() -> KeyBindings:
    """Enter sends what was typed unless a backslash ends it; a pasted text keeps its line breaks either way."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def history(keep: bool) -> History:
    """Of this session only; with `keep`, of all of them, in a file that its owner alone can read."""
    if not keep:
        return InMemoryHistory()
    path = Path.home() / HISTORY_FILE
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    path.chmod(0o600)
    return FileHistory(path)
