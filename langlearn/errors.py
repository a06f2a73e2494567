"""What goes wrong where the user can mend it, and how every script ends.

Exit codes: 0 done; 2 the user can fix it (one or two lines on stderr: the thing, the value, the remedy);
1 a bug; 130 interrupted.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class UserError(Exception):
    """Something the user can mend. The message names the thing, the value and the remedy."""


def first_line(error: Exception, most: int = 200) -> str:
    """Of what an error says, at most so many characters; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


@contextmanager
def told() -> Iterator[None]:
    """Within, memory that runs out is a UserError."""
    try:
        yield
    except Exception as error:
        if (why := _of_memory(error)) is None:
            raise
        raise UserError(why) from error


def run(main: Callable[[list[str]], None], resumes: bool = True) -> None:
    """Call `main(argv)` and turn how it ends into an exit code. `--debug` anywhere shows tracebacks.

    `resumes`: whether the same command goes on after Ctrl-C where it stopped, which is then said.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, mode))
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # no file
            stream.reconfigure(errors="replace")  # a terminal without a letter must not end a run
    argv = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(argv) < len(sys.argv) - 1
    try:
        main(argv)
    except KeyboardInterrupt:
        sys.exit(_say("interrupted" + "; the same command resumes where it stopped" * resumes, 130, debug))
    except BrokenPipeError:
        sys.stderr.close()  # the reader left (`| head`); nothing more to say
        sys.exit(0)
    except UserError as error:
        sys.exit(_say(str(error), 2, debug))
    except Exception as error:
        if (why := _of_memory(error)) is not None:
            sys.exit(_say(why, 2, debug))
        if (why := _unwritable(error)) is not None:
            sys.exit(_say(f"cannot write {getattr(error, 'filename', None) or 'a file'}: {why}\nmake room or choose "
                          "another folder in config.yaml; nothing half written was kept", 2, debug))  # fmt: skip
        sys.exit(_say(f"bug: {type(error).__name__}: {error}\nrun again with --debug for the traceback", 1, debug))


def _of_memory(error: Exception) -> str | None:
    """What torch's OutOfMemoryError, which is slow to import, says to the user; None for another error."""
    if type(error).__name__ != "OutOfMemoryError":
        return None
    what, free, _ = str(error).partition(" is free")
    first = (what + free).splitlines() or ["out of memory"]
    return f"{first[0][:200]}\nend other programs on the GPU, or lower answering.k or training.max_length"


def _unwritable(error: Exception) -> str | None:
    """Why nothing can be written there, if that is what went wrong. safetensors tells it in words of its own."""
    number = getattr(error, "errno", None)
    if type(error).__name__ == "SafetensorError" and (found := re.search(r"\b(?:os error|code:) (\d+)", str(error))):
        number = int(found.group(1))
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
    return os.strerror(number) if number in full else None


def _say(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {message}" if code in (1, 2) else message, file=sys.stderr)
    return code
