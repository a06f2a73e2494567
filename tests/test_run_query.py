"""run_query.py as a person and as a program meet it: flags, pipes, the interactive prompt, exit codes."""

import contextlib
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from langlearn import config
from langlearn.errors import UserError
from langlearn.terminal import batch, console
from langlearn.terminal.display import Display
from langlearn.terminal.opening import Opening

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
import run_query  # noqa: E402

ANKLE = "A dancer comes with a twisted ankle; pulse 71/min. What is it?"
APPLE = "How do I prune an apple tree?"


@pytest.fixture(scope="module")
def flags(tiny_falcon, tiny_corpus, tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("answers")
    return [
        "--profile", "tiny", "--model.base", str(tiny_falcon), "--data.cases", str(tiny_corpus),
        "--index.folder", str(folder / "index"), "--training.output", str(folder / "adapter"),
        "--answering.max_new_tokens", "12", "--answering.min_similarity", "0.3", "--answering.context_tokens", "1200",
        "--answering.k", "3",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def answerer(flags):
    settings, _ = config.load(flags)
    return run_query.open_answerer(settings, False, lambda *_: None)


def test_one_question_in_words_fits_80_columns_and_ends_with_the_disclaimer(flags, capsys):
    run_query.main([*flags, "--query", ANKLE])
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"^\[1\] 0\.\d\d  A ", out, re.M) and re.search(r"^\[3\] ", out, re.M)
    assert out.rstrip().endswith("call\nyour emergency number.")
    assert "no adapter trained yet: answering with the base model" in err


@pytest.mark.parametrize("size", [1, 2, 6])
def test_streamed_words_wrap_at_80_columns_and_none_is_lost(size):
    text = "The likely diagnosis is lateral ankle sprain [1].\n" * 3 + "Rest, ice, compression and elevation help. " * 9
    pieces = re.findall(r"\s*\S+", text)
    out = io.StringIO()
    screen = Display(out)
    for start in range(0, len(pieces), size):
        screen.words("".join(pieces[start : start + size]))
    screen.end_words()
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) > 6
    assert not any(line != line.strip() for line in lines)
    assert out.getvalue().split() == text.split()
    screen.words("7" * 200)
    assert max(map(len, out.getvalue().splitlines())) <= 80 and out.getvalue().count("7") == 200


def test_a_second_start_embeds_nothing(flags, answerer, capsys):
    settings, _ = config.load(flags)
    again = run_query.open_retriever(settings, False, lambda *_: None)
    assert again.index.embedded == 0
    assert "reused" in capsys.readouterr().err
    rebuilt = run_query.open_retriever(settings, True, lambda *_: None)
    assert rebuilt.index.embedded > 0


def test_with_json_standard_output_carries_one_object_and_nothing_else(flags, capsys):
    run_query.main([*flags, "--json", "--query", APPLE])
    content = json.loads(capsys.readouterr().out)
    assert content["abstained"] and content["answer"].startswith("No similar case found")


def test_a_batch_gets_a_json_line_a_question_and_goes_on_after_a_bad_one(flags, tmp_path, capsys):
    file = tmp_path / "questions.txt"
    file.write_text(f"\ufeff{ANKLE}\n\n{'word ' * 3000}\n  {APPLE}  \n", encoding="utf-8")
    with pytest.raises(UserError, match="1 of 3 questions could not be asked: line 3"):
        run_query.main([*flags, "--batch", str(file)])
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["question"] == ANKLE and len(first["citations"]) == 3
    assert "tokens" in second["error"]
    assert third["question"] == APPLE


def test_each_batch_line_is_written_before_the_next_question_is_read():
    asked = []

    def lines():
        yield b"one\n"
        assert asked == ["one"]
        yield b"two\n"

    batch.ask_all(lines(), asked.append, lambda *_: None, lambda *_: None)
    assert asked == ["one", "two"]


def test_answers_in_a_file_stay_there_while_a_terminal_shows_how_far_it_is(flags, answerer, tmp_path):
    file, answers = tmp_path / "questions.txt", tmp_path / "answers.jsonl"
    file.write_text(f"{APPLE}\n{ANKLE}\n")
    terminal = Terminal([*flags, "--batch", str(file)], answers)
    terminal.read_until("questions answered: [12] ")
    assert terminal.exit_code() == 0
    assert [json.loads(line)["question"] for line in answers.read_text().splitlines()] == [APPLE, ANKLE]


def test_piped_questions_are_answered_in_words_below_each_question(flags, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{APPLE}\n\n{ANKLE}\n".encode())))
    run_query.main(flags)
    out = capsys.readouterr().out
    assert re.findall(r"^> .*", out, re.M) == [f"> {APPLE}", f"> {ANKLE}"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--query", "  "], "--query is empty: ask something"),
        (["--query", "x", "--batch", "y"], "keep one"),
        (["--batch", "/no/such/file"], "/no/such/file does not exist: give a text file"),
        (["--querry", "x"], "unknown option '--querry'; did you mean 'query'?"),
        (["--query", "ankle " * 3000], r"the question has [\d,]+ tokens"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_remedy(flags, more, reason):
    with pytest.raises(UserError, match=re.escape(reason) if "\\" not in reason else reason):
        run_query.main([*flags, *more])


def test_a_batch_line_that_is_no_utf_8_is_refused_and_the_others_are_answered(flags, tmp_path, capsys):
    file = tmp_path / "questions.txt"
    file.write_bytes(f"{APPLE}\ncaf\xe9?\n{ANKLE}\n".encode("latin-1"))
    with pytest.raises(UserError, match="1 of 3 questions could not be asked: line 2"):
        run_query.main([*flags, "--batch", str(file)])
    first, refused, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["question"], last["question"]) == (APPLE, ANKLE)
    assert refused["question"] == "caf\udce9?" and "is not UTF-8 text" in refused["error"]


def test_a_program_gets_json_through_a_pipe_and_exit_code_2_for_a_bad_question(flags, answerer):
    command = [sys.executable, str(ROOT / "run_query.py"), *flags, "--json"]
    done = subprocess.run(command, input=f"{APPLE}\n{'word ' * 3000}\n".encode(), capture_output=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["abstained"] and "error" in second
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()
    assert said[-1] == "error: 1 of 2 questions could not be asked: line 2"
    assert len(said) == 4  # corpus, index, model, error: no library has anything to add


# The interactive prompt, driven key by key ------------------------------------------------------------------------


def typed(answerer, keys: str, k: int = 3) -> str:
    """What the prompt says to these keys, followed by Ctrl-D."""
    said = io.StringIO()
    opening = answerer if isinstance(answerer, Opening) else Opening(lambda progress: answerer)
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        keyboard.send_text(keys + "\x04")
        console.Conversation(opening, Display(said), k).run(InMemoryHistory())
    return said.getvalue()


def test_commands_set_k_show_sources_list_themselves_and_leave(answerer):
    said = typed(answerer, f"/k 2\r{ANKLE}\r/sources\r/help\r/quit\rnever read\r")
    assert "2 cases from now on." in said
    assert re.findall(r"^\[(\d)\] 0\.\d\d  A .*", said, re.M) == ["1", "2", "1", "2"]
    assert " ".join(said.split()).count("Treatment is rest, ice, compression and elevation.") == 2
    assert "/sources" in said and "Ctrl-C stops" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("keys", "reply"),
    [
        ("/foo\r", "/foo is no command. /help lists them."),
        ("/surces\r", "/surces is no command; did you mean /sources? /help lists them."),
        ("/k\r", "k is 3; give a whole number"),
        ("/k five\r", "k is 3; give a whole number"),
        ("/k 1000\r", "k is 3; give a whole number"),
        ("/sources\r", "The last answer has no cases behind it."),
        ("/k 0\r", "No retrieval from now on"),
        ("\x03", "Ctrl-D or /quit leaves."),
    ],
)
def test_a_slip_gets_a_hint_and_the_prompt_stays(answerer, keys, reply):
    assert reply in typed(answerer, keys)


def test_without_an_index_k_says_how_to_get_one(answerer):
    assert "start with --answering.k 3" in typed(answerer, "/k 5\r", k=0)


@pytest.mark.parametrize(
    "keys",
    [
        "twisted ankle\\\rafter a fall\r",
        "twisted ankle\x1b\rafter a fall\r",
        "\x1b[200~twisted ankle\nafter a fall\x1b[201~\r",
        "twisted anklee\x7f\x1b\rafter a fall\r",
    ],
)
def test_a_question_may_have_several_lines(answerer, keys):
    asked = []

    class Listening:
        answering = answerer.answering

        def answer(self, question, *arguments):
            asked.append(question)
            return answerer.answer(question, *arguments)

    typed(Listening(), keys)
    assert asked == ["twisted ankle\nafter a fall"]


def test_a_question_that_is_too_long_gets_a_word_and_the_prompt_stays(answerer):
    said = typed(answerer, f"\x1b[200~{'ankle ' * 3000}\x1b[201~\r/k\r")
    assert re.search(r"the question has [\d,]+ tokens", said) and "k is 3" in said


def fail_to_open(progress):
    raise UserError("index folder: damaged")


@pytest.mark.parametrize("when", ["before the prompt is there", "while it waits"])
def test_what_fails_to_open_ends_the_prompt_with_its_reason(when):
    prompt_is_there, rescued = threading.Event(), []

    def fail_later(progress):
        prompt_is_there.wait(60)
        fail_to_open(progress)

    class Watched(Display):
        def line(self, *arguments, **settings):
            prompt_is_there.set()

    opening = Opening(fail_to_open if when.startswith("before") else fail_later)
    while when.startswith("before") and not opening.done:
        pass
    with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
        rescue = threading.Timer(60, lambda: (rescued.append(1), keyboard.send_text("\x04")))
        rescue.start()
        with pytest.raises(UserError, match="damaged"):
            console.Conversation(opening, Watched(io.StringIO()), 3).run(InMemoryHistory())
        rescue.cancel()
    assert not rescued  # nobody had to press Ctrl-D


def test_a_question_asked_in_vain_ends_the_prompt_with_the_reason():
    with pytest.raises(UserError, match="damaged"):
        console.Conversation(Opening(fail_to_open), Display(io.StringIO()), 3).take(ANKLE)


def test_history_is_kept_only_when_asked_and_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert isinstance(console.history(False), InMemoryHistory)
    assert not list(tmp_path.iterdir())
    kept = tmp_path / console.HISTORY_FILE
    kept.touch(mode=0o644)
    assert isinstance(console.history(True), FileHistory)
    assert kept.stat().st_mode & 0o777 == 0o600


class Terminal:
    """A real terminal with run_query.py in it; its standard output may be a file."""

    def __init__(self, arguments: list[str], out: Path | None = None):
        pty = pytest.importorskip("pty", reason="a pseudo terminal needs POSIX")
        self.modes = pytest.importorskip("termios")
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            if out:
                os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
            os.execv(sys.executable, [sys.executable, "run_query.py", *arguments])
        self.unread = ""

    def type(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def read_until(self, pattern: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.unread)) and time.monotonic() < end:
            if select.select([self.screen], [], [], 1)[0]:
                piece = os.read(self.screen, 65536).decode(errors="replace")
                if "\x1b[6n" in piece:
                    self.type("\x1b[1;1R")  # where is the cursor? In the first row.
                self.unread += piece
        assert found, f"no {pattern!r} in {self.unread[-5000:]!r}, {self.modes.tcgetattr(self.screen)}"
        self.unread = self.unread[found.end() :]

    def exit_code(self) -> int:
        end = time.monotonic() + 120
        with contextlib.suppress(OSError):  # nobody writes there any more
            while time.monotonic() < end:
                if select.select([self.screen], [], [], 1)[0] and not os.read(self.screen, 65536):
                    break
            else:
                os.kill(self.process, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.fixture
def talkative(tiny_falcon, tmp_path) -> Path:
    """A base that says one word after another, always the same ones, and never stops by itself: the state of the last
    token passes through all layers unchanged, deep so that they take their time, and asks for the next word."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_falcon)
    config = AutoConfig.from_pretrained(tiny_falcon, num_hidden_layers=16, tie_word_embeddings=False)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config)
    for layer in base.transformer.h:
        for last in (layer.self_attention.dense, layer.mlp.dense_4h_to_h):
            last.weight.data.zero_()
    words = [i for i in range(config.vocab_size) if re.fullmatch("[ a-z]+", tokenizer.decode([i]))]
    states = base.transformer.ln_f(base.transformer.word_embeddings.weight.data[words])
    base.lm_head.weight.data.zero_()[words[1:] + words[:1]] = states.data
    base.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_in_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_leaves(flags, answerer, talkative):
    long = ["--answering.max_new_tokens", "1900", "--answering.context_tokens", "2048", "--answering.temperature", "1"]
    terminal = Terminal([*flags, *long, "--model.base", str(talkative)])
    terminal.read_until("ask>")
    terminal.type("twisted ankle\r")
    terminal.read_until("alone")
    # words of the answer: a prompt would be drawn with escapes, and take Ctrl-C for a key
    terminal.read_until("[^\x1b]{200}")
    terminal.type("\x03")
    terminal.read_until(r"Stopped\.")
    terminal.read_until("ask>")
    terminal.type("/k\r")
    terminal.read_until("k is 3")
    terminal.read_until("ask>")
    terminal.type("\x04")
    assert terminal.exit_code() == 0


@pytest.mark.parametrize("trained_on, told", [("1", True), ("2", False)])
def test_answers_from_other_cases_than_the_adapter_learned_are_told(tmp_path, capsys, trained_on, told):
    run = {"base_model": {"sha256": "0"}, "files": {}, "data": {"file": "mine.csv", "sha256": trained_on}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    retriever = SimpleNamespace(index=SimpleNamespace(manifest={"corpus": {"sha256": "2"}}))
    run_query.tell_of_other_cases(tmp_path, retriever)
    run_query.tell_of_other_cases(tmp_path, None)
    assert ("the adapter was trained on mine.csv; answers come from" in capsys.readouterr().err) is told
