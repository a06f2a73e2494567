"""A growing answer, shown as it grows: only what is final, and nothing that a terminal would obey.

    generated so far     Lateral ankle sprain [1] [7                     one word of it may still change:
    shown so far         Lateral ankle sprain [1]                        "[7]" goes if there is no case 7
"""

import re
from collections.abc import Callable

# White space, an open parenthesis that holds citations only, an open citation, an open escape sequence: what follows
# decides their fate.
_UNSETTLED = re.compile(
    r"\s*(?:\((?:\s*\[[^\]\n]{0,40}\][\s,;]*)*)?(?:\s*\[[^\]\n]{0,40}|[\x1b\x90-\x9f][^\n]{0,200})?$"
)


class Growing:
    """Takes pieces of generated text in `add`; hands to `show` what `clean` leaves of it, each character once.

    The text ends at `until`, of which nothing is shown. `clean` never changes what it made of a settled beginning.
    """

    def __init__(self, show: Callable[[str], None], clean: Callable[[str], str], until: str):
        self.show, self.clean, self.until = show, clean, until
        self.generated, self.shown = "", ""

    def add(self, piece: str) -> None:
        self.generated += piece
        self._show(self.clean(_UNSETTLED.sub("", self._before_end())))

    def finish(self, answer: str) -> None:
        """Shows what is left of the finished answer."""
        self._show(answer)

    def _before_end(self) -> str:
        text = self.generated.partition(self.until)[0]
        begun = next((n for n in range(len(self.until), 0, -1) if text.endswith(self.until[:n])), 0)
        return text[: len(text) - begun]

    def _show(self, text: str) -> None:
        if text.startswith(self.shown) and len(text) > len(self.shown):
            self.show(text[len(self.shown) :])
            self.shown = text
