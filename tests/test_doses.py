"""A dose that the evidence does not state for that drug is flagged."""

from decimal import Decimal

import pytest

from langlearn.clinical.doses import find, prepared, unsupported_doses, value

SUPPORTED = [
    ("Give aspirin 300 mg [1].", "Give aspirin 300mg at once."),
    ("amoxicillin 1,000 mg twice daily", "amoxicillin 1000 mg bd"),
    ("amoxicillin 1\u202f000 mg", "1000 milligrams of amoxicillin"),
    ("amoxicillin 500 mg", "amoxicillin 500 mg three times a day"),
    ("levothyroxine 50 mcg", "levothyroxine 50 micrograms"),
    ("levothyroxine 50 µg", "levothyroxine 50 μg"),
    ("insulin 10 IU", "10 units of insulin"),
    ("paracetamol 15 mg/kg every six hours", "paracetamol 15 mg per kg q6h"),
    ("paracetamol 5–10 mg/kg", "paracetamol 5 to 10 mg/kg"),
    ("between 5 and 10 mg of diazepam", "diazepam 5-10 mg"),
    ("five hundred milligrams of metformin", "metformin 500 mg"),
    ("½ tablet of warfarin", "half a tablet of warfarin"),
    ("two puffs of salbutamol four times a day", "albuterol 2 puffs qid"),
    ("adrenaline 0.5 mg IM", "epinephrine .50 mg intramuscularly"),
    ("hydrocortisone 1% cream", "1 % hydrocortisone"),
    ("5００ mg of ibu\u200bprofen", "ibuprofen 500 mg"),
    ("paracetamol 4 g/day", "paracetamol 4 g daily"),
    ("Clopidogrel 75 mg plus aspirin 300 mg", "aspirin 300 mg and clopidogrel 75 mg"),
    ("Give amoxicillin. The dose is 500 mg three times daily.", "amoxicillin 500 mg tid"),
    ("morphine sulfate 5 mg", "5 mg morphine"),
    ("Zorblaxin 5 mg", "Zorblaxin 5 mg"),
]
UNSUPPORTED = [
    ("Aspirin 75 mg daily.", "Aspirin 300 mg and clopidogrel 75 mg daily.", "75 mg daily"),
    ("amoxicillin 1,000 mg twice daily", "amoxicillin 1000 mg tds", "1,000 mg twice daily"),
    ("levothyroxine 50 mg", "levothyroxine 50 micrograms", "50 mg"),
    ("paracetamol 15 mg/kg", "paracetamol 15 mg", "15 mg/kg"),
    ("paracetamol 15 mg", "paracetamol 15 mg/kg", "15 mg"),
    ("paracetamol 5 mg", "paracetamol 15 mg", "5 mg"),
    ("paracetamol 10 mg/kg", "paracetamol 5 to 10 mg/kg", "10 mg/kg"),
    ("paracetamol 2 x 500 mg", "paracetamol 500 mg", "2 x 500 mg"),
    ("adrenaline 500 micrograms IM", "epinephrine 0.5 mg", "500 micrograms"),
    ("metformin twice daily", "metformin once daily", "twice daily"),
    ("insulin lispro 10 units", "insulin glargine 10 units", "10 units"),
    ("vitamin C 1000 mg", "vitamin D 1000 mg", "1000 mg"),
    ("Zorblaxin 5 mg", "Quintapex 5 mg", "5 mg"),
    ("ibuprofen 4.0 g", "ibuprofen 40 g", "4.0 g"),
    ("morphine 1,5 mg", "morphine 15 mg", "1,5 mg"),
    ("Take one tablet of warfarin", "warfarin two tablets", "1 tablet"),
    ("Give ceftriaxone. The dose is 2 g.", "ceftriaxone 1 g", "2 g"),
]


@pytest.mark.parametrize(("answer", "evidence"), SUPPORTED)
def test_a_dose_that_the_evidence_states_is_not_flagged(answer, evidence):
    assert unsupported_doses(answer, ["Another case.", evidence]) == []


@pytest.mark.parametrize(("answer", "evidence", "flagged"), UNSUPPORTED)
def test_a_dose_that_the_evidence_does_not_state_for_that_drug_is_flagged(answer, evidence, flagged):
    assert unsupported_doses(answer, [evidence]) == [flagged]


def test_without_evidence_every_dose_is_flagged_once_in_order():
    answer = "Aspirin 300 mg, then aspirin 75 mg daily. Repeat aspirin 300 mg."
    assert unsupported_doses(answer, []) == ["300 mg", "75 mg daily"]


@pytest.mark.parametrize(
    "text",
    [
        "Glucose was 250 mg/dL and potassium 3.1 mmol/L.",
        "It works in 30% of patients.",
        "Exercise twice daily.",
        "He lost 500 ml of blood.",
        "A 70-year-old of 82 kg with a blood pressure of 120/80 mmHg.",
        "cholesterol of 240 milligrams per deciliter",
    ],
)
def test_a_measured_value_is_no_dose(text):
    assert find(prepared(text)) == []


def test_a_dose_belongs_to_the_drug_that_the_wording_ties_it_to():
    text = prepared(
        "Aspirin 300 mg and clopidogrel 75 mg, then 4 mg of ondansetron; insulin glargine 10 units at night."
    )
    assert [(set(dose.drugs), dose.unit) for dose in find(text)] == [
        ({"aspirin"}, "mg"),
        ({"clopidogrel"}, "mg"),
        ({"ondansetron"}, "mg"),
        ({"insulin", "glargine"}, "unit"),
    ]


def test_the_measure_named_by_of_is_not_taken_for_the_drug_before():
    assert unsupported_doses("With insulin eat 20 grams of fat.", ["insulin 20 grams"]) == ["20 grams"]


@pytest.mark.parametrize(
    "figure, number", [("1,5,2", "1.5"), ("1,2,3.4", "1.2"), ("1.2.3", "1.2"), (".5", "0.5"), ("7.", "7"), (".", "0")]
)
def test_a_figure_that_nobody_can_read_ends_nothing(figure, number):
    assert value(figure) == Decimal(number)
