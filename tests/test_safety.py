"""Emergency notices: raised for what is present, not for what is denied, past, hypothetical or someone else's."""

import json
import time
from pathlib import Path

import pytest

from langlearn.clinical.emergencies import EMERGENCIES
from langlearn.safety import NAMES, Notice, emergency_notices, strip_terminal, unsupported_doses

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
    assert {name for each in EMERGENCIES for rule in each.rules for name in rule.split(" + ")} == set(NAMES)


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


@pytest.mark.parametrize(
    ("kind", "present", "absent"),
    [
        ("heart", "My chest is in a vice and I have gone clammy", "My chest is fine and I am never clammy"),
        ("heart", "hs-troponin 412 ng/L, vague chest discomfort", "Troponin 6 ng/L, vague chest discomfort"),
        ("aorta", "Sudden chest pain going through to his shoulder blades", "No chest pain, no tearing back pain"),
        ("lung-clot", "Suddenly breathless, had my knee replaced last week", "Not breathless after my knee operation"),
        ("breathing", "SpO2 87% on air", "SpO2 97% on 60% oxygen"),
        ("breathing", "I can't get my breath at all", "I had no trouble getting my breath"),
        ("stroke", "Dad woke up and his right leg won't work", "He has no weakness of the right leg"),
        ("stroke", "I lost my speech for ten minutes", "She denies slurred speech"),
        ("anaphylaxis", "Her throat feels tight after eating cashews", "Her throat is not tight after eating cashews"),
        ("bleeding", "My stools are like tar", "No tarry stools"),
        ("bleeding", "Her nose has been bleeding for 2 hours", "The nosebleed lasted a minute"),
        ("sepsis", "Wound infection, temp 35.1, newly confused", "Wound healed, temp 36.8, not confused"),
        ("cauda-equina", "Back pain and I can't feel when my bladder is full", "Back pain, the bladder is fine"),
        ("pregnancy", "I'm 30 weeks gone and she hasn't kicked all day", "I'm 30 weeks gone and she kicks all day"),
        ("pregnancy", "34/40, severe headache, BP 168/112", "34/40, no headache, BP 118/72"),
        ("torsion", "Acute scrotal pain, absent cremasteric reflex", "No scrotal pain, cremasteric reflex present"),
        ("poisoning", "The toddler has swallowed some of gran's pills", "The toddler has not swallowed any pills"),
        ("poisoning", "Ingested an unknown quantity of propranolol", "Takes a small quantity of propranolol"),
        ("head-injury", "She fell off a ladder and can't remember the fall", "She fell off a ladder, no amnesia"),
        ("diabetes", "Glucose 2.1 mmol/L", "Glucose 5.1 mmol/L"),
        ("diabetes", "He drinks gallons, vomits and breathes deep and fast: deep breathing all night",
         "He drinks two glasses a day, no vomiting"),
        ("sight", "A shutter has come down over my left eye", "No shutter or shadow over the eye"),
        ("sight", "Superglue in my eye", "My eye is a bit dry"),
        ("abdomen", "Hernia has gone hard and won't push back in, it is stuck", "Small hernia, soft, goes back in"),
        ("abdomen", "No stool or wind for 3 days, distended and vomiting", "No vomiting, not distended"),
        ("limb", "No radial pulse after the fracture, hand is dusky", "Radial pulse present after the fracture"),
        ("limb", "He sawed through two fingers", "He has two stiff fingers"),
        ("burn", "My toddler grabbed the hot iron, the palm is blistered", "The iron was hot, nobody was burnt"),
        ("burn", "Soot around the nostrils after the fire", "No soot around the nostrils"),
        ("infant", "Our 5 week old feels hot, 38.4 under the arm", "Our 5 week old is 36.9 under the arm"),
        ("infant", "My 3-week-old vomits green stuff", "My 3-week-old brings up a little milk"),
        ("vital-signs", "BP 76/40, what now?", "BP 128/76, what now?"),
        ("vital-signs", "GCS fell from 15 to 12", "GCS 15 throughout"),
        ("vital-signs", "K+ 7.1 and pH 7.08 on the gas", "K+ 4.1 and pH 7.38 on the gas"),
    ],
)  # fmt: skip
def test_signs_numbers_and_plain_words_raise_a_notice_and_their_opposites_do_not(kind, present, absent):
    assert kind in kinds(present)
    assert kinds(absent) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Severe chest pian", "heart"),
        ("He is unconcious", "unconscious"),
        ("She is having a siezure right now", "seizure"),
        ("I am pregant and bleeding", "pregnancy"),
    ],
)
def test_a_plain_misspelling_hides_no_emergency(text, expected):
    assert expected in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "My last pregnancy was complicated by severe bleeding.",
        "Her first pregnancy ended with eclampsia. Will it happen again?",
        "My brother had a testicular torsion at 15. Should I worry?",
        "Discharged in May after a subarachnoid haemorrhage. May I fly?",
        "COPD, target saturation 88-92%. Which inhaler?",
        "Burning feet at both soles at night, diabetic neuropathy.",
        "It felt like an electric shock sensation down my spine.",
        "RR 1.8 for stroke in smokers: what does it mean?",
    ],
)
def test_what_is_over_or_only_looks_like_an_emergency_raises_none(text):
    assert kinds(text) == []


@pytest.mark.parametrize("part", ["pain-", "bp is was at ", "took his child's pills and ate ", "spo2 ", " ", "x"])
def test_a_long_question_is_read_in_well_under_a_second(part):
    text = ("bp" + part * 20_000)[:20_000]
    kinds("warm")
    began = time.process_time()
    kinds(text)
    assert time.process_time() - began < 1


def test_one_kind_gives_one_notice():
    text = "Severe chest pain, crushing chest pain, sudden chest pain, sweating, heart attack, ST elevation."
    assert kinds(text).count("heart") == 1


def test_safety_offers_the_checks_of_doses_and_terminal_text():
    assert unsupported_doses("Aspirin 75 mg", ["aspirin 300 mg"]) == ["75 mg"]
    assert strip_terminal("\x1b[2Jcalm") == "calm"
    assert Notice("heart", "text") == Notice("heart", "text")


@pytest.mark.parametrize(("question", "kind", "harmless"), [
    ("Cirrhosis, large hematemesis in the past hour.", "bleeding", "He had hematemesis in the past."),
    ("I can't see a reason to be here any more.", "self-harm", "I can't see a reason for this rash."),
    ("He has been saving up his amitriptyline.", "self-harm", "He has been saving up his holidays."),
    ("She ate a grape and is clutching her throat.", "breathing", "She ate a grape and has a sore throat."),
    ("He collapsed and I don't think he's breathing.", "unconscious", "I don't think he's breathing well at night."),
    ("Fever and a rash that doesn't go when I press a glass on it.", "meningitis",
     "Fever and a rash that goes when I press."),
])  # fmt: skip
def test_what_was_once_overlooked_is_seen(question, kind, harmless):
    assert kind in {notice.kind for notice in emergency_notices(question)}
    assert kind not in {notice.kind for notice in emergency_notices(harmless)}
