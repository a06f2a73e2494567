"""What goes wrong where the user can mend it, and how every script ends.

Exit codes: 0 done; 2 the user can fix it (one or two lines on stderr: the thing, the value, the remedy);
1 a bug; 130 interrupted.
"""

import errno
import sys
import traceback
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend. The message names the thing, the value and the remedy."""


def run(main: Callable[[list[str]], None]) -> None:
    """Call `main(argv)` and turn how it ends into an exit code. `--debug` anywhere shows tracebacks."""
    argv = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(argv) < len(sys.argv) - 1
    try:
        main(argv)
    except KeyboardInterrupt:
        sys.exit(_say("interrupted; the same command resumes where it stopped", 130, debug))
    except BrokenPipeError:
        sys.stderr.close()  # the reader left (`| head`); nothing more to say
        sys.exit(0)
    except UserError as error:
        sys.exit(_say(str(error), 2, debug))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            sys.exit(_say(f"bug: {type(error).__name__}: {error}\nrun again with --debug for the traceback", 1, debug))
        sys.exit(_say(f"cannot write {error.filename or 'a file'}: {error.strerror}\nmake room or choose "
                      "another folder in config.yaml; nothing half written was kept", 2, debug))  # fmt: skip
    except Exception as error:
        sys.exit(_say(f"bug: {type(error).__name__}: {error}\nrun again with --debug for the traceback", 1, debug))


def _say(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"error: {message}" if code in (1, 2) else message, file=sys.stderr)
    return code
