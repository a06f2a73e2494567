"""How every script ends: the exit code, and one or two lines that a person can act on."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def ended(body: str, *argv, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """A script with this `main`, run as scripts are; by a command that stands `before` it."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"from langlearn import errors\ndef main(argv):\n{lines}errors.run(main)\n"
    command = [*before, sys.executable, "-c", source, *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    "body, code, said",
    [
        ("pass", 0, ""),
        ("raise errors.UserError('k is -1: it must be 0 or more')", 2, "error: k is -1: it must be 0 or more\n"),
        ("raise FileExistsError(17, 'File exists', 'logs')", 2, "error: cannot write logs: File exists\n"
         "make room or choose another folder in config.yaml; nothing half written was kept\n"),
        ("raise KeyboardInterrupt", 130, "interrupted; the same command resumes where it stopped\n"),
    ],
)
def test_the_exit_code_tells_how_it_ended(body, code, said):
    done = ended(body)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_terminal_without_a_letter_ends_no_run(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = ended("print('adapter \u2014 ask it')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "adapter ? ask it\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="closes the streams with a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_no_run(closed):
    body = "import sys\nfor stream in (sys.stdin, sys.stdout, sys.stderr): stream.isatty()\nprint('written')"
    done = ended(body, before=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert (done.returncode, done.stdout) == (0, "" if ">&-" in closed.split() else "written\n")


def test_memory_that_runs_out_is_the_users_to_mend():
    said = "CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has a total capacity of 11 GiB of which 1 GiB is free"
    done = ended(f"import torch\nraise torch.OutOfMemoryError('{said}. See the documentation\\nfor more')")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2 and "answering.k" in done.stderr
    assert done.stderr.startswith(f"error: {said}\n")


def test_a_bug_is_one_line_and_debug_shows_its_traceback():
    short, long = ended("[][1]"), ended("[][1]", "--debug")
    assert short.returncode == long.returncode == 1
    assert "Traceback" not in short.stderr and short.stderr.count("\n") == 2 and "--debug" in short.stderr
    assert "Traceback" in long.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size through POSIX")
@pytest.mark.parametrize(
    "write", ["open('file', 'wb').write(bytes(10**6))", "checkpoint.save('step-1', {'a': torch.zeros(10**6)}, {})"]
)
def test_no_space_left_is_the_users_to_mend_and_leaves_no_checkpoint(write, tmp_path):
    done = ended(
        "import os, resource, signal, torch\n"
        "from langlearn import checkpoint\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n" + write
    )
    assert done.returncode == 2 and "make room" in done.stderr and len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "step-1").exists()
