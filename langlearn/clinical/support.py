"""Which sentences of an answer the retrieved cases support, without asking a model.

A case supports a sentence if enough of the sentence's telling words stand together in it (weighted: a word that few
sentences of the cases hold tells more) and nothing contradicts it:

    figures     "for 7 days", "80 mmHg"         are stated in the case, with the same measure
    doses       "ibuprofen 400 mg"              are stated for the same drug (doses.py)
    drugs       "naproxen"                      are named in the case
    denials     "antibiotics are not needed"    the case denies what the sentence denies, and nothing else (negation.py)
    opposites   "hypokalaemia", "left"          the case does not say "hyperkalaemia", "right" in that place
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langlearn.clinical import doses, negation
from langlearn.clinical.doses import Dose
from langlearn.clinical.drugs import SALTS, drug
from langlearn.clinical.english import pattern, sentence_spans, stem, words

ENOUGH = 0.6
"""Share of a sentence's weight that must stand together in a case. Of the sentences of a completion, its own case
supports all, three random cases 0.5 % and the three nearest other cases 18 % at this share (MedText, 418 sentences)."""
TOGETHER = 3
"""So many neighbouring sentences of a case are read together."""

CITATION = re.compile(r"\[\s*\d{1,99}(?:\s*[,;–-]\s*\d{1,99})*\s*\]")


@dataclass(frozen=True)
class SentenceSupport:
    """score: 0 to 1, the share of the sentence's weight found in `source`, the number of the best case (None: none).
    cited: the numbers that the sentence itself cites."""

    sentence: str
    supported: bool
    score: float
    source: int | None
    cited: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a stretch of text says. words: for each whether it is denied, both if it is said both ways."""

    words: dict[str, set[bool]]
    quantities: set[tuple[str, str]]
    drugs: set[str]
    doses: list[Dose]


def support(answer: str, texts: Sequence[str]) -> list[SentenceSupport]:
    """For each sentence of the answer whether one of `texts` (the cases in the order of their numbers) supports it."""
    sources = [_read(text) for text in texts]
    sentences_with = Counter(word for source in sources for sentence in source for word in sentence.words)
    total = sum(len(source) for source in sources)
    weights = {word: math.log(1 + total / (count + 0.5)) for word, count in sentences_with.items()}
    unseen = math.log(1 + total / 0.5)

    def weight(word: str) -> float:
        return weights.get(word, unseen)

    parts = [(number, part, _joined(source)) for number, source in enumerate(sources, 1) for part in _windows(source)]
    results = []
    for (start, end), claim in zip(sentence_spans(answer), _read(answer), strict=True):
        found, score, source = False, 0.0, None
        for number, part, whole in parts:
            share = _share(claim, part, weight)
            good = share >= ENOUGH and _agrees(claim, part, whole)
            if (good, share) > (found, score):
                found, score, source = good, share, number
        results.append(SentenceSupport(answer[start:end], found, round(score, 4), source, _cited(answer[start:end])))
    return results


def _cited(sentence: str) -> tuple[int, ...]:
    return tuple(int(number) for citation in CITATION.findall(sentence) for number in re.findall(r"\d+", citation))


def _windows(source: list[Reading]) -> list[Reading]:
    starts_and_ends = ((a, b) for a in range(len(source)) for b in range(a + 1, min(a + TOGETHER, len(source)) + 1))
    return [_joined(source[a:b]) for a, b in starts_and_ends]


def _joined(readings: Sequence[Reading]) -> Reading:
    together: dict[str, set[bool]] = {}
    for reading in readings:
        for word, denied in reading.words.items():
            together[word] = together.get(word, set()) | denied
    return Reading(
        together,
        set().union(*(r.quantities for r in readings)),
        set().union(*(r.drugs for r in readings)),
        [dose for r in readings for dose in r.doses],
    )


def _share(claim: Reading, part: Reading, weight: Callable[[str], float]) -> float:
    total = sum(map(weight, claim.words))
    return sum(weight(word) for word in claim.words if word in part.words) / total if total else 0.0


def _agrees(claim: Reading, part: Reading, whole: Reading) -> bool:
    """Nothing is said otherwise: figures, doses and drugs in the whole case, denials and opposites in this part."""
    values = {value for value, _ in whole.quantities}
    missing, other = claim.words.keys() - part.words.keys(), part.words.keys() - claim.words.keys()
    return (
        all((v, measure) in whole.quantities or (not measure and v in values) for v, measure in claim.quantities)
        and all(any(each.states(dose) for each in whole.doses) for dose in claim.doses)
        and claim.drugs <= whole.drugs
        and all(part.words[word] & denied for word, denied in claim.words.items() if word in part.words)
        and not any(_opposites(word) & other for word in missing)
    )


def _read(text: str) -> list[Reading]:
    """One reading for each sentence; citations and list numbers are left aside, doses know earlier sentences' drugs."""
    originals = [text[start:end] for start, end in sentence_spans(text)]
    sentences = [doses.prepared(re.sub(r"^\s*\d+[.)]\s", "", CITATION.sub("", each))) for each in originals]
    found = doses.find("\n\n".join(sentences))
    readings, start = [], 0
    for sentence in sentences:
        end = start + len(sentence) + 2
        readings.append(
            Reading(
                _words(sentence),
                set(_quantities(sentence)),
                {name for word in re.findall(r"[A-Za-z]+", sentence) if (name := drug(word)) and name not in SALTS},
                [dose for dose in found if start <= dose.span[0] < end],
            )
        )
        start = end
    return readings


# Words that carry a denial, which is compared as such, and words that any answer uses, are no content.
_NO_CONTENT = frozenset(map(stem, """
    deny denies denied absence absent negative lack avoid avoided unnecessary needed diagnosis diagnosed diagnose
    suggest suggests suggesting suggestive indicate indicates indicated consistent presentation present presents
    presenting symptoms symptom signs include includes including treatment treated treat management managed manage
    consider considered recommended condition cause caused causes help helps possible probably potential further
    additionally important initial step steps
    """.split()))  # fmt: skip
# What denies its own subject in advice: "antibiotics are not indicated", "aspirin should be avoided".
_DENIES_SUBJECT = pattern("""
    (?:is|are|was|were|should|must|do|does|did|can|could|will|need|has|have)(?: not|n't), not, cannot
    contraindicated, unnecessary, (?:should|must|to) be (?:avoided|stopped|withheld)
""")


def _words(sentence: str) -> dict[str, set[bool]]:
    denials = [scope for scope in negation.scopes(sentence, _DENIES_SUBJECT) if scope.state == "negated"]
    found: dict[str, set[bool]] = {}
    for word, span in words(sentence):
        if word not in _NO_CONTENT:
            found.setdefault(word, set()).add(any(scope.covers(span) for scope in denials))
    return found


_QUANTITY = re.compile(r"(?<![\w.,])([A-Za-z]{0,6}-?)(\d+(?:,\d{3})*(?:[.,]\d+)?)(?:[\s-]?([A-Za-z%]+))?")
MEASURES = {
    "day": "day days d", "week": "week weeks wk", "month": "month months", "year": "year years yr yrs",
    "hour": "hour hours hr hrs h", "minute": "minute minutes min mins", "mg": "mg milligram milligrams",
    "g": "g gram grams", "ug": "mcg ug μg microgram micrograms", "ml": "ml mls", "unit": "unit units iu",
    "%": "% percent", "mmhg": "mmhg", "cm": "cm", "mm": "mm", "kg": "kg", "degree": "degree degrees c f",
}  # fmt: skip
_MEASURE = {spelling: measure for measure, spellings in MEASURES.items() for spelling in spellings.split()}


def _quantities(sentence: str) -> Iterator[tuple[str, str]]:
    """("7", "day") of "7-day", ("b12", "") of "B12"."""
    for prefix, number, following in _QUANTITY.findall(sentence):
        yield f"{prefix.lower()}{doses.value(number)}", _MEASURE.get(following.lower(), "")


OPPOSITES = """
    left right, increase decrease, increased decreased, high low, higher lower, raise lower, rise fall, upper lower
    elevated reduced, positive negative, acute chronic, viral bacterial, benign malignant, start stop, male female
    systolic diastolic, anterior posterior, medial lateral, proximal distal, superior inferior, internal external
    maternal paternal, symptomatic asymptomatic, typical atypical, febrile afebrile, stable unstable, safe unsafe
    complicated uncomplicated, likely unlikely, common uncommon, necessary unnecessary, reversible irreversible
    sensitive resistant, ischemic hemorrhagic, arterial venous, systemic topical, oral intravenous, open closed
    primary secondary, deep superficial, tachycardia bradycardia, hyper hypo
"""


def _opposite_table() -> dict[str, set[str]]:
    table: dict[str, set[str]] = {}
    for pair in re.split(r",|\n", OPPOSITES.strip()):
        one, other = (stem(word) for word in pair.split())
        table.setdefault(one, set()).add(other)
        table.setdefault(other, set()).add(one)
    return table


_OPPOSITE = _opposite_table()


def _opposites(word: str) -> set[str]:
    prefix = {"hyper": "hypo", "hypo": "hyper"}.get(re.match("hyper|hypo|", word)[0])
    return _OPPOSITE.get(word, set()) | ({re.sub("^(?:hyper|hypo)", prefix, word)} if prefix else set())
