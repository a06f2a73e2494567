"""Emergency notices: raised for what is present, not for what is denied, past, hypothetical or someone else's."""

import json
from pathlib import Path

import pytest

from langlearn.clinical.emergencies import EMERGENCIES
from langlearn.clinical.findings import FINDINGS
from langlearn.safety import Notice, emergency_notices, strip_terminal, unsupported_doses

SENTENCES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "emergencies.jsonl").read_text(encoding="utf-8").splitlines()
]


def kinds(text: str) -> list[str]:
    return [notice.kind for notice in emergency_notices(text)]


def test_precision_and_recall_over_the_written_sentences_are_at_least_95_percent():
    """kinds: expected; also: kinds that are right as well and count neither way."""
    assert len(SENTENCES) >= 120 and 0.4 < sum(not row["kinds"] for row in SENTENCES) / len(SENTENCES) < 0.6
    right = missed = false = 0
    for row in SENTENCES:
        raised, expected = set(kinds(row["text"])), set(row["kinds"])
        right += len(raised & expected)
        missed += len(expected - raised)
        false += len(raised - expected - set(row.get("also", ())))
    assert right / (right + false) >= 0.95, "precision"
    assert right / (right + missed) >= 0.95, "recall"


def test_every_kind_of_emergency_has_sentences_of_its_own():
    assert {kind for row in SENTENCES for kind in row["kinds"]} == {each.kind for each in EMERGENCIES}


def test_every_rule_names_findings_that_exist_and_every_finding_has_a_rule():
    assert {name for each in EMERGENCIES for rule in each.rules for name in rule.split(" + ")} == set(FINDINGS)


def test_every_notice_tells_where_to_get_help():
    for each in EMERGENCIES:
        assert "emergency" in each.notice and len(each.notice) < 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crushing chest pain down the left arm and sweating", ["heart"]),
        ("Her face droops on one side and her speech is slurred", ["stroke"]),
        ("Ate a peanut, now hives and he is wheezing", ["anaphylaxis"]),
        ("The wound won't stop bleeding", ["bleeding"]),
        ("I can't breathe", ["breathing"]),
        ("Fever, low blood pressure and confusion", ["sepsis"]),
        ("Fever, stiff neck and a rash that does not fade", ["meningitis"]),
        ("Back pain, numb around the groin, cannot urinate", ["cauda-equina"]),
        ("I am pregnant and bleeding", ["pregnancy"]),
        ("Sudden severe pain in one testicle", ["torsion"]),
        ("She swallowed thirty tablets of paracetamol", ["poisoning"]),
        ("A seizure that has lasted more than five minutes", ["seizure"]),
        ("He hit his head and lost consciousness", ["head-injury"]),
        ("Type 1 diabetes, ketones are high, vomiting", ["diabetes"]),
    ],
)
def test_the_emergencies_of_the_table_raise_a_notice(text, expected):
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "He denies crushing chest pain.",
        "No shortness of breath, no crushing chest pain, no sweating.",
        "Without slurred speech or facial droop.",
        "Crushing chest pain was ruled out.",
        "Negative for slurred speech.",
    ],
)
def test_a_denied_emergency_raises_none(text):
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No chest pain but sudden slurred speech.", ["stroke"]),
        ("He denies fever; severe chest pain since noon.", ["heart"]),
        ("No cough. Severe chest pain.", ["heart"]),
        ("Not only severe chest pain, also vomiting.", ["heart"]),
        ("No change in the severe chest pain.", ["heart"]),
        ("We cannot rule out a stroke.", ["stroke"]),
    ],
)
def test_a_denial_ends_where_its_scope_ends(text, expected):
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "History of stroke 10 years ago.",
        "My mother had a stroke.",
        "What are the signs of stroke?",
        "If crushing chest pain develops, return.",
        "Family history of anaphylaxis.",
        "",
        "   \n",
    ],
)
def test_the_past_the_family_and_general_questions_raise_none(text):
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "I want to kill myself",
        "I don't want to live any more",
        "i dont wanna live anymore",
        "What is the easiest way to end my life?",
        "How can I kill myself?",
        "I tried to kill myself last year.",
        "She has suicidal ideation with a plan.",
    ],
)
def test_self_harm_has_its_own_notice_that_comes_first_and_begins_with_someone_to_talk_to(text):
    first, *_ = emergency_notices(text)
    assert first.kind == "self-harm"
    assert first.text.index("988") < first.text.index("emergency number")


def test_self_harm_precedes_every_other_notice():
    assert kinds("I took 40 paracetamol tablets because I want to die and now I can't breathe")[0] == "self-harm"


@pytest.mark.parametrize(
    "text",
    [
        "He does not want to die.",
        "This headache is killing me.",
        "She denies suicidal ideation.",
        "I don't want to kill myself.",
        "How do schools prevent suicide?",
        "I nearly died laughing.",
    ],
)
def test_figures_of_speech_and_denials_are_no_self_harm(text):
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "I wan\u200bt to k\u00adill myself",
        "Ｉ ｗａｎｔ ｔｏ ｋｉｌｌ ｍｙｓｅｌｆ",
        "I want to\u00a0kill\u2007myself",
        "I WANT TO KILL MYSELF",
        "I don’t want to live",
    ],
)
def test_typography_hides_no_emergency(text):
    assert kinds(text) == ["self-harm"]


def test_one_kind_gives_one_notice():
    text = "Severe chest pain, crushing chest pain, sudden chest pain, sweating, heart attack, ST elevation."
    assert kinds(text).count("heart") == 1


def test_safety_offers_the_checks_of_doses_and_terminal_text():
    assert unsupported_doses("Aspirin 75 mg", ["aspirin 300 mg"]) == ["75 mg"]
    assert strip_terminal("\x1b[2Jcalm") == "calm"
    assert Notice("heart", "text") == Notice("heart", "text")
