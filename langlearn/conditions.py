"""Does a text name a condition? By any of its names, however they are spelt and joined.

A mention counts wherever it stands: "not gout" and "pseudogout rather than gout" both name gout. A model that
lists everything would therefore score well; look at the answers as well as at the number.
"""

import re
import unicodedata
from pathlib import Path

from langlearn.errors import UserError
from langlearn.files import tables
from langlearn.files.tables import shown_path

Synonyms = dict[str, list[str]]


def load(path: Path) -> Synonyms:
    """Condition → all its names, itself first, from a file with the columns condition and synonyms (a|b|c)."""
    if not path.is_file():
        raise UserError(f"synonyms {shown_path(path)} do not exist: restore the file")
    table = tables.read(path, ("condition", "synonyms"))
    if not {"condition", "synonyms"} <= set(table.columns):
        raise UserError(f"synonyms {shown_path(path)}: it needs the columns condition and synonyms")
    found: Synonyms = {}
    for row, record in table.rows:
        names = [] if isinstance(record, str) else [record["condition"], *record["synonyms"].split("|")]
        names = [name.strip() for name in names if name.strip()]
        if not names or any(map(tables.damage, names)):
            raise UserError(f"synonyms {shown_path(path)}: row {row} is damaged: mend it")
        found[names[0]] = names
    return found


def names_condition(text: str, condition: str, synonyms: Synonyms) -> bool:
    """Whether `text` holds the condition or one of its synonyms as whole words.

    Case, accents, hyphens, apostrophes, plurals and British or American ae/oe make no difference: "Bells palsy",
    "pre eclampsia" and "anemias" are found as bell's palsy, pre-eclampsia and anaemia.
    """
    joined, starts, ends = _joined(text)
    for name in synonyms.get(condition, [condition]):
        wanted = _joined(name)[0]
        place = joined.find(wanted) if wanted else -1
        while place >= 0:
            if place in starts and place + len(wanted) in ends:
                return True
            place = joined.find(wanted, place + 1)
    return False


def _joined(text: str) -> tuple[str, set[int], set[int]]:
    """`text` without what separates words, and where words start and end in it.

    Joined, "heat stroke", "heat-stroke" and "heatstroke" are one; the borders keep "gout" out of "dugout".
    Punctuation stays, so that a name does not run on into the next clause.
    """
    joined, starts, ends = "", set(), set()
    for word in re.findall(r"\w+|[^\w\s-]", _plain(text)):
        starts.add(len(joined))
        joined += _singular(word)
        ends.add(len(joined))
    return joined, starts, ends


def _plain(text: str) -> str:
    text = re.sub(r"\b([A-Z]{2,})s\b", r"\1", text)  # DVTs
    text = unicodedata.normalize("NFKD", text.replace("\u2010", "-").replace("\u2011", "-").replace("\u2013", "-"))
    text = "".join(letter for letter in text if not unicodedata.combining(letter)).casefold()
    text = re.sub("['\u2019\u2018`]", "", text)
    return re.sub("[ao]e", "e", text.replace("\u00e6", "e").replace("\u0153", "e"))


def _singular(word: str) -> str:
    """The same for both numbers; not always a word ("pancreatitis" has no plural to lose, "graves" becomes "grave")."""
    if len(word) > 5 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 5 and word.endswith("sses"):
        return word[:-2]
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
