"""run_query.py as a program and a pipe meet it: flags, answers, exit codes."""

import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from asking import ANKLE, APPLE, ROOT, Terminal

import run_query
from langlearn import config
from langlearn.errors import UserError
from langlearn.terminal import batch
from langlearn.terminal.display import Display


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


@pytest.mark.parametrize("trained_on, told", [("1", True), ("2", False)])
def test_answers_from_other_cases_than_the_adapter_learned_are_told(tmp_path, capsys, trained_on, told):
    run = {"base_model": {"sha256": "0"}, "files": {}, "data": {"file": "mine.csv", "sha256": trained_on}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    retriever = SimpleNamespace(index=SimpleNamespace(manifest={"corpus": {"sha256": "2"}}))
    run_query.tell_of_other_cases(tmp_path, retriever)
    run_query.tell_of_other_cases(tmp_path, None)
    assert ("the adapter was trained on mine.csv; answers come from" in capsys.readouterr().err) is told
