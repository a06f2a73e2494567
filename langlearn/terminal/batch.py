"""Many questions, one a line: each is answered as it comes; one that cannot be asked does not stop the others."""

from collections.abc import Callable, Iterable, Iterator

from langlearn.errors import UserError


def ask_all(
    lines: Iterable[bytes], ask: Callable[[str], None], refuse: Callable[[str, str], None],
    progress: Callable[[str, int, int | None], None],
) -> None:  # fmt: skip
    """`ask(question)` for each; `refuse(question, why)` where that raised a UserError, and one at the end for all."""
    asked, refused = 0, []
    for number, question in questions(lines):
        try:
            ask(question)
        except UserError as error:
            refused.append(number)
            refuse(question, str(error))
        asked += 1
        progress("questions answered", asked, None)
    if not asked:
        raise UserError("there is no question: give one a line")
    if refused:
        which = ", ".join(map(str, refused[:5])) + (", …" if refused[5:] else "")
        raise UserError(f"{len(refused)} of {asked} questions could not be asked: line {which}")


def questions(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """(line number, question) of every line that is not blank. Bytes that are not UTF-8 become surrogates, which make
    a question that is refused."""
    for number, line in enumerate(lines, start=1):
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape").strip()
        if text:
            yield number, text
