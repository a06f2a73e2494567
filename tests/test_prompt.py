"""The interactive prompt of run_query.py, driven key by key, and once in a real terminal."""

import io
import re
import threading
from pathlib import Path

import pytest
import torch
from asking import ANKLE, Terminal
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from langlearn.errors import UserError
from langlearn.terminal import console
from langlearn.terminal.display import Display
from langlearn.terminal.opening import Opening


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
