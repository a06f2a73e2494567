"""Whether something a text mentions is so: the rules of NegEx and ConText, with the words of triggers.py.

A trigger puts what stands in its scope into a state; a scope ends at a terminator, or with the sentence:

    denies fever, chest pain or cough but has a rash        negated: fever, chest pain, cough; not the rash
    history of seizures, now confused                       historical: seizures
    family history of stroke; angina runs in the family     someone else's
    what are the signs of stroke? if pain returns, call     hypothetical
    not only chest pain; cannot rule out a stroke           pseudo-triggers look like triggers and change nothing

Chapman et al. 2001, J Biomed Inform 34:301; Harkema et al. 2009, J Biomed Inform 42:839. Different from them: a scope
also ends at a comma where something new is asserted ("no fever, pain spread to the jaw"), because a missed emergency is
worse than a false alarm.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from langlearn.clinical.english import Span, pattern, sentence_spans
from langlearn.clinical.triggers import AFTER, BEFORE, ENDS, ENDS_OF, PSEUDO, WORDS, State

# After a comma: a clause of its own; a finding with its circumstances. A bare noun ("no fever, cough") is neither.
_CLAUSE = re.compile(
    r"\b(?:i|i'm|im|he|she|they|it|my|his|her|there|is|are|was|were|am|has|had|started|began|came|felt|feels?|went|"
    r"woke|became|developed|collapsed|fell|can't|cannot|complain\w*|report\w*|present\w*)\b"
)
_QUALITY = re.compile(
    r"\b(?:sudden\w*|severe\w*|crushing|worst|new|acute|positive|spread\w*|radiat\w+|very|getting|drooping|gasping)\b"
)
_TIME = re.compile(r"\b(?:after|since|now|today|tonight|for|just|with)\b")
# "not" and its kin deny one thing; "no" and the like open a list; "denies" opens one that "sudden" does not end.
_DENIES_ONE = re.compile(r"not$|never$|.*n'?t$|no longer$")
_DENIES_ALL = re.compile(r"den|negative for|absence of|free of|free from")

LONGEST = 600
"""Characters that a scope may span: what has no end for longer is no sentence, and must not take for ever."""
_CLAUSES = re.compile(rf"[^;\s](?:[^;]{{0,{LONGEST - 1}}}(?=[\s;]|$)|[^;]{{0,{LONGEST - 1}}})")
_PSEUDO = pattern(PSEUDO, WORDS)
_BEFORE = {state: pattern(table, WORDS) for state, table in BEFORE.items()}
_AFTER = {state: pattern(table, WORDS) for state, table in AFTER.items()}
_ENDS = {state: pattern(f"{ENDS}\n{table}", WORDS) for state, table in ENDS_OF.items()}


@dataclass(frozen=True)
class Scope:
    """What stands between start and end is in `state`, said so by the trigger."""

    start: int
    end: int
    state: State
    trigger: Span

    def covers(self, span: Span) -> bool:
        """Whether the thing at `span` reaches into this scope and is not itself made of the trigger ("no pulse")."""
        made_of_trigger = span[0] <= self.trigger[0] and self.trigger[1] <= span[1]
        return self.start < span[1] and span[0] < self.end and not made_of_trigger


def scopes(text: str, after: re.Pattern | None = None) -> list[Scope]:
    """All scopes of folded text. `after`: further triggers that negate what stands before them."""
    found = []
    for start, end in sentence_spans(text):
        for clause in _CLAUSES.finditer(text[start:end].lower()):
            at = start + clause.start()
            for scope in _scopes_of(clause[0], after):
                trigger = (scope.trigger[0] + at, scope.trigger[1] + at)
                found.append(Scope(scope.start + at, scope.end + at, scope.state, trigger))
    return sorted(found, key=lambda scope: scope.start)


def states(found: list[Scope], span: Span) -> set[State]:
    """The states of the thing at `span`; none: it is asserted, of the patient, now."""
    first = bisect_left(found, span[0] - LONGEST, key=lambda scope: scope.start)
    near = takewhile(lambda scope: scope.start < span[1], islice(found, first, None))
    return {scope.state for scope in near if scope.covers(span)}


def _scopes_of(clause: str, after: re.Pattern | None) -> Iterator[Scope]:
    pseudo = [match.span() for match in _PSEUDO.finditer(clause)]

    def matches(pattern: re.Pattern) -> list[re.Match]:
        return [m for m in pattern.finditer(clause) if not any(a <= m.start() < b for a, b in pseudo)]

    for state, triggers in _BEFORE.items():
        ends = [m.start() for m in matches(_ENDS[state])]
        for trigger in matches(triggers):
            limit = min((e for e in ends if e >= trigger.end()), default=len(clause))
            yield Scope(trigger.end(), _list_end(clause, trigger, limit, state), state, trigger.span())
    for state, triggers in [*_AFTER.items(), *([("negated", after)] if after else [])]:
        ends = [m.end() for m in matches(_ENDS[state])]
        for trigger in matches(triggers):
            limit = max((e for e in ends if e <= trigger.start()), default=0)
            yield Scope(_list_start(clause, trigger, limit), trigger.start(), state, trigger.span())


def _list_end(clause: str, trigger: re.Match, limit: int, state: State) -> int:
    """Where the list that a trigger opens ends: at the first comma after which something else is said."""
    commas = [m.start() for m in re.finditer(r",|(?<=\w)\s-\s", clause[:limit]) if m.start() >= trigger.end()]
    parts = [clause[a:b] for a, b in zip(commas, [*commas[1:], limit])]
    closed_by_or = max((i for i, part in enumerate(parts) if re.search(r"\b(?:or|nor)\b", part)), default=-1)
    for i, (comma, part) in enumerate(zip(commas, parts)):
        in_or_list = i <= closed_by_or
        described = _QUALITY.search(part) and not _DENIES_ALL.match(trigger[0])
        bare = state == "hypothetical" or not (described or _TIME.search(part))
        goes_on = in_or_list or (bare and not _DENIES_ONE.match(trigger[0]))
        if _CLAUSE.search(part) or not goes_on:
            return comma
    if state == "negated" and _DENIES_ONE.match(trigger[0]) and closed_by_or < 0:
        conjunction = re.compile(r"\band\b").search(clause, trigger.end(), limit)
        return conjunction.start() if conjunction else limit
    return limit


def _list_start(clause: str, trigger: re.Match, limit: int) -> int:
    """Where the list that a trigger closes begins: its own part; all parts for "were", "all", "both"; the part before
    where the trigger is a part of its own (", ruled out")."""
    if re.match(r"(?:all|both|are|were)\b", trigger[0]):
        return limit
    comma = clause.rfind(",", limit, trigger.start())
    if comma >= 0 and not clause[comma + 1 : trigger.start()].strip():
        comma = clause.rfind(",", limit, comma)
    return max(limit, comma + 1)
