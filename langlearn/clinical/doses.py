"""Doses in an answer that its evidence does not state: same amount, unit, rhythm and drug, or it is flagged.

    amoxicillin 1,000 mg/kg twice daily
    ===========                           drug    the name that the dose belongs to (drugs.py), or the word next to it
                =====                     amount  1000; a range has two; 2 x 500 mg is not 1000 mg, nor 0.5 g 500 mg
                      =====               unit    mg/kg; mcg = µg = microgram, IU = unit
                            ===========   rhythm  2/day = bd = twice a day; "every 12 h" is another

Only the way of writing is made uniform, nothing is converted: whoever converts a dose may get it wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from langlearn.clinical.drugs import SALTS, drug
from langlearn.clinical.english import STOP_WORDS, Span, digits, fold, sentence_spans, stem


@dataclass(frozen=True)
class Dose:
    """An amount, a rhythm, or both, and the drug it belongs to; `span` is in the prepared text."""

    amounts: tuple[Decimal, ...]
    unit: str
    rhythm: str
    drugs: frozenset[str]
    span: Span

    def states(self, other: "Dose") -> bool:
        """Whether one who reads this finds the other in it: a rhythm may be left out, but not be another."""
        same_amount = not other.amounts or (self.amounts, self.unit) == (other.amounts, other.unit)
        return same_amount and other.rhythm in ("", self.rhythm) and bool(other.drugs) and self.drugs == other.drugs


UNITS = {
    "g": "g|gms?|grams?|grammes?", "mg": "mgs?|milligrams?|milligrammes?", "ng": "ng|nanograms?",
    "ug": "mcgs?|ug|μg|micrograms?|microgrammes?", "l": "l|lit(?:er|re)s?", "ml": "mls?|cc|millilit(?:er|re)s?",
    "unit": "units?|iu|international units?|u", "mmol": "mmols?|millimoles?", "meq": "meq|milliequivalents?",
    "%": "%|percent|per cent", "gy": "gy|grays?", "joule": "joules?|j", "tablet": "tablets?|tabs?|pills?",
    "capsule": "capsules?|caps?", "puff": "puffs?|inhalations?|sprays?|actuations?", "drop": "drops?",
    "sachet": "sachets?", "patch": "patch(?:es)?", "vial": "vials?|ampoules?|ampules?", "teaspoon": "teaspoons?|tsps?",
    "tablespoon": "tablespoons?|tbsps?", "suppository": "suppositor(?:y|ies)",
}  # fmt: skip
DENOMINATORS = {
    "kg": "kg|kilograms?|kilos?", "m2": r"m2|m\^2|square met(?:er|re)", "day": "day|d|24 ?h(?:ours?)?",
    "h": "hour|hr|h", "min": "minutes?|min", "week": "week|wk", "dose": "dose", "ml": "ml",
    "dl": "dl|100 ?ml|decilit(?:er|re)s?", "l": "l|lit(?:er|re)",
}  # fmt: skip
LABORATORY = frozenset("mmol/l mg/l g/l meq/l unit/l ug/l ng/l ng/ml ug/ml mg/dl g/dl ug/dl".split())
BODY_FLUIDS = re.compile(r"\b(?:blood|urine|output|loss|sputum|pus|stool|weigh\w*|volume|residual)\b", re.I)

_EACH = r"(?: an?| per| each| every)?[ -]"
RHYTHMS = (  # a pattern and the form in which it is compared; {} are its groups
    (rf"(\d+) ?(?:-|to|or) ?(\d+) times{_EACH}(day|dai|week|month)(?:ly)?", "{}-{}/{}"),
    (rf"(\d+) times{_EACH}(day|dai|week|month)(?:ly)?", "{}/{}"),
    (rf"(once|twice|thrice){_EACH}(day|dai|week|month)(?:ly)?", "{}/{}"),
    (r"(?:every|each) (\d+)(?: ?(?:-|to) ?(\d+))? ?-?(hour|hr|h|day|week|month|min)(?:ute)?s?", "every {}-{} {}"),
    (r"q\.? ?(\d+)(?:-(\d+))? ?(h)", "every {}-{} {}"),
    (r"(\d+)(?:-(\d+))?-? ?(h)ourly", "every {}-{} {}"),
    (r"b\.?i\.?d\.?|b\.?d\.?", "2/day"),
    (r"t\.?i\.?d\.?|t\.?d\.?s\.?", "3/day"),
    (r"q\.?i\.?d\.?|q\.?d\.?s\.?", "4/day"),
    (r"every other day|(?:on )?alternate days|every second day", "1/2day"),
    (r"daily|(?:a|per|each|every) day|o\.?d\.?|q\.?d\.?", "1/day"),
    (r"at night|nightly|at bedtime|nocte|every night", "night"),
    (r"in the morning|every morning|mane", "morning"),
    (r"hourly|every hour", "every 1- h"),
    (r"weekly|(?:a|per|each|every) week", "1/week"),
    (r"monthly|every month", "1/month"),
)
BETWEEN_RHYTHM = 6
"""So many words may stand between an amount and its rhythm ("500 mg by mouth with food twice daily")."""
_SHORT = {"once": "1", "twice": "2", "thrice": "3", "dai": "day", "hour": "h", "hr": "h", None: ""}

# Words between a drug and its dose that name neither.
_BETWEEN = frozenset(
    "a an the at of in is are be was were up dose doses dosage dosing initial initially starting start begin increase "
    "increased reduce loading maintenance total maximum usual standard typical recommended single oral orally po iv "
    "im sc intravenous intravenously intramuscular intramuscularly subcutaneous subcutaneously rectal sublingual "
    "topical inhaled nebulised nebulized infusion injection bolus tablet tablets capsule capsules cream ointment "
    "solution syrup by mouth via given give take taken should can may about approximately drug medication medicine "
    "treatment this high-dose low-dose high low daily once twice receives receive".split()
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9']*(?:-[A-Za-z]+)*")
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+[.,]\d+|\d+/\d+|\d+|\.\d+)"
_UNIT = "|".join(UNITS.values())
_PER = rf"(?:\s?/\s?|\sper\s)(?:{'|'.join(DENOMINATORS.values())})(?!\w)"
_AMOUNT = re.compile(
    rf"(?P<between>between\s)?(?:(?<![\w.,/])(?P<times>\d+)\s?[x*]\s?)?"
    rf"(?<![\d.,/])(?<![A-Za-z])(?P<low>{_NUMBER})"
    rf"(?:(?:\s?(?:{_UNIT})(?:{_PER})*)?(?(between)\sand\s|(?:\s?-\s?|\s(?:to|or)\s))(?P<high>{_NUMBER}))?"
    rf"[\s-]?(?P<unit>{_UNIT})(?!\w|-\w)(?P<per>(?:{_PER})*)(?:\s?[x*]\s?(?P<times_after>\d+)(?!\w))?",
    re.I,
)
_RHYTHM = re.compile("|".join(rf"(?<![\w.])(?:{re.sub('[(](?![?])', '(?:', p)})(?!\w)" for p, _ in RHYTHMS), re.I)


def unsupported_doses(answer: str, evidence_texts: Sequence[str]) -> list[str]:
    """Doses of the answer, as it writes them, that no evidence text states for the same drug; in order, once each."""
    text = prepared(answer)
    stated = [dose for evidence in evidence_texts for dose in find(prepared(evidence))]
    flagged = (dose for dose in find(text) if not any(each.states(dose) for each in stated))
    return list(dict.fromkeys(text[slice(*dose.span)] for dose in flagged))


def prepared(text: str) -> str:
    """The text in which `find` counts its spans: plain characters, figures for numbers."""
    text = re.sub(rf"\bhalf an? (?=(?:{_UNIT})\b)", "0.5 ", fold(text), flags=re.I)
    return digits(re.sub(rf"\bone (?=(?:{_UNIT})\b)", "1 ", text, flags=re.I))


def find(text: str) -> list[Dose]:
    """Every dose in prepared text, with its drug."""
    found: list[Dose] = []
    mentioned: frozenset[str] = frozenset()  # the drug that the sentences before spoke of
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        names = _drug_names(sentence)
        for span, amounts, unit, rhythm, amount_end in _statements(sentence):
            near = _adjacent(sentence, (span[0], amount_end), names)
            if not near and (unit == "%" or not amounts):
                continue  # "in 30% of patients", "exercise twice daily"
            amount = (span[0], amount_end)
            drugs = near or _named_by_of(sentence, amount) or _nearest(span, names) or mentioned
            drugs = drugs or _word_before(sentence, amount)
            found.append(Dose(amounts, unit, rhythm, drugs, (start + span[0], start + span[1])))
        mentioned = names[-1][1] if names else mentioned
    return found


def _statements(sentence: str) -> Iterator[tuple[Span, tuple[Decimal, ...], str, str, int]]:
    """(span, amounts, unit, rhythm, where the amount ends): amounts with the rhythm after them, and rhythms alone."""
    rhythms = list(_RHYTHM.finditer(sentence))
    amounts = [m for m in _AMOUNT.finditer(sentence) if not _measured(sentence, m)]
    taken = [m.span() for m in amounts]
    for match, following in zip(amounts, [*amounts[1:], None]):
        unit, rhythm, end = _unit(match), "", match.end()
        if unit.endswith("/day"):
            unit, rhythm = unit.removesuffix("/day"), "1/day"
        limit = following.start() if following else len(sentence)
        for after in rhythms:
            between = sentence[match.end() : after.start()]
            if match.end() <= after.start() < limit and len(between.split()) <= BETWEEN_RHYTHM and ";" not in between:
                rhythm, end = _rhythm(after[0]), after.end()
                taken.append(after.span())
                break
        yield (match.start(), end), tuple(value(v) for v in match.group("low", "high") if v), unit, rhythm, match.end()
    for match in rhythms:
        if not any(a <= match.start() < b for a, b in taken):
            yield match.span(), (), "", _rhythm(match[0]), match.end()


def _measured(sentence: str, match: re.Match) -> bool:
    """A laboratory value, or a volume that came out of the body rather than went into it."""
    around = " ".join(sentence[: match.start()].split()[-3:] + sentence[match.end() :].split()[:2])
    return _unit(match) in LABORATORY or (_unit(match) in ("g", "ml", "l") and bool(BODY_FLUIDS.search(around)))


def _unit(match: re.Match) -> str:
    unit = next(name for name, spellings in UNITS.items() if re.fullmatch(spellings, match["unit"], re.I))
    for part in re.split(r"\s?/\s?|\sper\s", match["per"], flags=re.I)[1:]:
        unit += "/" + next(name for name, spellings in DENOMINATORS.items() if re.fullmatch(spellings, part, re.I))
    times = match["times"] or match["times_after"]
    return f"{times} x {unit}" if times else unit


def value(written: str) -> Decimal:
    """The number in a figure: 1,000 is a thousand, 1,5 one and a half, 1/2 a half; 5.0 equals 5. Of a figure that
    nobody can read, such as 1,5,2 from a model that rambles, its beginning."""
    if "/" in written:
        above, below = written.split("/")
        return Decimal(above) / Decimal(below) if int(below) else Decimal(above)
    thousands = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", written)
    if not thousands:
        written = re.match(r"\d*[.,]?\d+|", written)[0] or "0"
    return Decimal(written.replace(",", "" if thousands else ".")).normalize()


def _rhythm(written: str) -> str:
    for phrase, form in RHYTHMS:
        if match := re.fullmatch(phrase, written, re.I):
            return form.format(*(_SHORT.get(g and g.lower(), g) for g in match.groups()))
    return written.lower()


Name = tuple[Span, frozenset[str]]


def _drug_names(sentence: str) -> list[Name]:
    """Drug names with where they stand; words that follow each other are one name ("insulin glargine")."""
    names: list[tuple[Span, list[str]]] = []
    for word in re.finditer(r"[Vv]itamin [A-K](?:\d+|\b)|[A-Za-z]+", sentence):
        if name := drug(word[0]):
            if names and re.fullmatch(r"[\s/-]", sentence[names[-1][0][1] : word.start()]):
                names[-1] = ((names[-1][0][0], word.end()), [*names[-1][1], name])
            else:
                names.append((word.span(), [name]))
    return [(span, frozenset(set(parts) - SALTS or parts)) for span, parts in names]


def _adjacent(sentence: str, span: Span, names: list[Name]) -> frozenset[str]:
    """The drug that the wording ties to the dose: "75 mg of X", "X 75 mg", "75 mg X", "X, 75 mg"; in that order."""
    before, after, of = None, None, None
    for (start, end), name in names:
        between = sentence[end : span[0]] if end <= span[0] else sentence[span[1] : start]
        if re.search(r"[;\d]", between) or not {w.lower() for w in _WORD.findall(between)} <= _BETWEEN:
            continue
        if end <= span[0]:
            before = (name, "," in between)
        elif start >= span[1] and after is None and not re.search(r"[,()]", between):
            after, of = name, re.match(r"\s*of\b", between) and name
    if of or not (before or after):
        return of or frozenset()
    if before and not (before[1] and after):
        return before[0]
    return after or frozenset()


def _nearest(span: Span, names: list[Name]) -> frozenset[str]:
    """The last drug named before the dose in its sentence, else the first one after it."""
    before = [name for (_, end), name in names if end <= span[0]]
    return before[-1] if before else names[0][1] if names else frozenset()


def _named_by_of(sentence: str, span: Span) -> frozenset[str]:
    """What the wording measures where it is no known drug: fat in "20 g of fat"."""
    of = re.match(r"\s*of\s+", sentence[span[1] :])
    return _first_telling(_WORD.findall(sentence[span[1] + of.end() :])) if of else frozenset()


def _word_before(sentence: str, span: Span) -> frozenset[str]:
    """Where no drug is known: the word next to the dose, likely a name that drugs.py lacks."""
    return _first_telling(_WORD.findall(sentence[: span[0]])[::-1])


def _first_telling(near: list[str]) -> frozenset[str]:
    return frozenset([stem(word) for word in near[:6] if word.lower() not in _BETWEEN | STOP_WORDS][:1])
