"""English medical text, as far as its meaning is read here without a model: sentences, words, numbers.

    fold        ｆｕｌｌ width, áccents, “curly” quotes, – dashes, zero-width and odd spaces → plain ones; ½ → 0.5
    sentences   not cut at e.g., Dr., 0.5 or "1. first point"; a citation after the stop stays with its sentence
    words       content words, spelt one way (anaemia = anemia) and without endings (antibiotics = antibiotic)
    digits      "five hundred mg" → "500 mg"
"""

import re
import unicodedata

Span = tuple[int, int]
"""Start and end of a part of a text, in characters."""

_PLAIN = str.maketrans({**dict.fromkeys("‘’‛′`´", "'"), **dict.fromkeys("“”„″", '"'),
                        **dict.fromkeys("‐‑‒–—―−", "-"), "×": "x", "⁄": "/"})  # fmt: skip
_WIDE_THOUSANDS = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_FRACTION = re.compile(r"(?:(\d{1,4})\s?)?([¼½¾⅓⅔⅛⅜⅝⅞])")


def fold(text: str) -> str:
    """The same text in plain characters, so that a pattern cannot be missed for its typography."""
    text = _WIDE_THOUSANDS.sub("", text)
    text = _FRACTION.sub(lambda m: f"{int(m[1] or 0) + unicodedata.numeric(m[2]):.4g}", text)
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text)).translate(_PLAIN)
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Mn") or c in "\n\t")


# Words whose dot does not end a sentence; those in the second row may end one before a capital.
_NEVER_LAST = set("e.g i.e eg ie dr mr mrs ms prof st vs v cf fig ref approx ca incl resp viz ed".split())
_SELDOM_LAST = set("etc al a.m p.m b.d b.i.d t.i.d q.i.d t.d.s q.d.s p.r.n p.o i.v i.m s.c u.s u.k no".split())
_STOP = re.compile(
    r"(?P<dot>[.!?]+[\"')\]]*(?:\s*\[\d+(?:\s*[,-]\s*\d+)*\])*)(?=\s|$)"  # "… daily.” [1][2] "
    r"|\s*\n\s*\n\s*"  # a paragraph ends
    r"|\n(?=\s*(?:[-*•]|\d+[.)])\s)"  # a list goes on
    r"|(?<=[.:;!?])\s*\n\s*"
)


def sentence_spans(text: str) -> list[Span]:
    """Each sentence of the text, without the white space around it."""
    spans, start = [], 0
    for match in _STOP.finditer(text):
        if match["dot"] and not _ends_sentence(text, start, match):
            continue
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trimmed(text, *span))]


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def _ends_sentence(text: str, start: int, match: re.Match) -> bool:
    if not match["dot"].startswith(".") or match["dot"].startswith(".."):
        return True
    before = text[start : match.start()].split()
    last = before[-1].lstrip("(\"'[").casefold() if before else ""
    following = text[match.end() :].lstrip()[:1]
    if last in _NEVER_LAST or (len(before) == 1 and last.isdigit()):  # "1. Give oxygen"
        return False
    if re.fullmatch(r"[a-z]", last) and len(before) > 1 and before[-2].casefold().rstrip(".") in _NEVER_LAST:
        return False  # "Dr. J. Smith"
    return last not in _SELDOM_LAST or not following or following.isupper()


def _trimmed(text: str, start: int, end: int) -> Span | None:
    part = text[start:end]
    left, right = len(part) - len(part.lstrip()), len(part.rstrip())
    return (start + left, start + right) if left < right else None


_UNITS = dict(zip("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
                  "sixteen seventeen eighteen nineteen".split(), range(20), strict=True))  # fmt: skip
_TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_NUMBER_WORD = "|".join([*_UNITS, *_TENS, *_SCALES])
_SPELT = re.compile(rf"\b(?:{_NUMBER_WORD})(?:(?:[\s-]|\sand\s)(?:{_NUMBER_WORD}))*\b", re.I)


def digits(text: str) -> str:
    """Spelt numbers as figures. Other characters stay; "one" stays too, for it is rarely a number."""
    return _SPELT.sub(lambda m: m[0] if m[0].casefold() == "one" else str(_value(m[0])), text)


def _value(spelt: str) -> int:
    total = current = 0
    for word in re.split(r"[\s-]+", spelt.casefold()):
        if word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
        else:
            current += _UNITS.get(word, _TENS.get(word, 0))
    return total + current


STOP_WORDS = frozenset(
    "a about above after again all also although always am an and any are as at be because been before being below "
    "between both but by can could did do does doing done down due during each either else even ever every few first "
    "for from further had has have having he her here hers him his how however i if in into is it its just kind least "
    "less like likely made make many may me might more most much must my near need needs neither no nor not now of off "
    "often on once one only or other our out over own part per perhaps rather really same she should since so some "
    "such than that the their them then there these they thing this those though through thus to too under until up "
    "upon us use used using usually very was we well were what when where whether which while who whom whose why will "
    "with within without would yes you your patient patients case cases".split()
)
# British and American spelling meet in one form; both sides of a comparison are folded, so the form need not be a word.
_SPELLINGS = (("ae", "e"), ("oe", "e"), ("ph", "f"), ("ise", "ize"), ("isa", "iza"), ("our", "or"), ("tre", "ter"))
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")


def words(text: str) -> list[tuple[str, Span]]:
    """Content words of folded text in order, each in its stem, with where it stands."""
    found = []
    for match in _WORD.finditer(text):
        word = match[0].lower().removesuffix("'s")
        if len(word) > 1 and word not in STOP_WORDS and not word.endswith("n't"):
            found.append((stem(word), match.span()))
    return found


def stem(word: str) -> str:
    """One form for a word's inflections; light, so that different words seldom meet."""
    word = word.lower().replace("'", "")
    for british, american in _SPELLINGS:
        word = word.replace(british, american)
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-2] if word.endswith(("sses", "shes", "ches", "xes")) else word[:-1]
    for ending in ("ing", "ed", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            word = word[:-1] if word[-1] == word[-2] and word[-1] not in "sl" else word
            break
    return word.removesuffix("e") if len(word) > 4 else word


BLANK = r"[\s-]"
_GAP_WORD = r"(?!(?:no|not|nor|never|without|denie[sd]|but)\b|\w+n't\b)[\w'%]+(?:\.\d+)?"
_GAP = rf"[\s/-]+(?:{_GAP_WORD}[\s/-]+){{0,6}}?"


def pattern(table: str, words: dict[str, str] | None = None) -> re.Pattern:
    """One pattern from a table of phrases separated by commas or new lines, matched as whole words.

    A space also meets hyphens, ` ?` an optional one, ` ~ ` a gap of up to six words; a name of `words` stands for its
    own phrases, which may hold names that come later in `words`.
    """
    joined = _any_of(table)
    for name, meaning in (words or {}).items():
        joined = re.sub(rf"(?<![A-Z]){name}(?![A-Z])", lambda _: _any_of(meaning), joined)
    joined = re.sub(r"\s*~\s*", lambda _: _GAP, joined)
    return re.compile(rf"(?<!\w){joined.replace(' ?', BLANK + '*').replace(' ', BLANK + '+')}(?!\w)")


def _any_of(table: str) -> str:
    phrases = [phrase.strip() for phrase in re.split(r",\s+|\n", table)]
    return f"(?:{'|'.join(filter(None, phrases))})"
