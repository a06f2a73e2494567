"""What is denied, past, hypothetical or someone else's."""

import pytest

from langlearn.clinical.english import fold
from langlearn.clinical.negation import scopes, states


def states_of(text: str, thing: str) -> set[str]:
    text = fold(text).lower()
    at = text.index(thing)
    return states(scopes(text), (at, at + len(thing)))


@pytest.mark.parametrize(
    "text",
    [
        "He denies chest pain.",
        "No chest pain",
        "She does not have chest pain or dizziness.",
        "She doesn’t have any chest pain",
        "without chest pain",
        "Negative for fever, sudden weakness, and chest pain.",
        "no fever, cough, chest pain",
        "no fever, severe cough, or chest pain",
        "neither fever nor chest pain",
        "Chest pain was ruled out.",
        "chest pain: denied",
        "Chest pain: no. Fever: yes.",
        "chest pain and fever were absent",
        "Fever, cough, and chest pain were denied.",
        "chest pain, ruled out",
        "the CT ruled out chest pain",
        "The chest pain has resolved",
        "chest pain is not present",
        "reflux rather than chest pain",
    ],
)
def test_a_denied_finding_is_negated(text):
    assert states_of(text, "chest pain") == {"negated"}


@pytest.mark.parametrize(
    "text",
    [
        "denies fever but has chest pain",
        "No fever. Chest pain since noon.",
        "No fever; chest pain",
        "no cough, however chest pain persists",
        "no fever, he has chest pain",
        "no fever, severe chest pain",
        "He is not eating and chest pain keeps him awake",
        "not only chest pain but also fever",
        "There is no doubt that this is chest pain",
        "chest pain with no relief from rest",
        "no change in chest pain",
        "chest pain cannot be ruled out",
        "chest pain was not excluded",
        "no relief of the chest pain",
        "I have never had chest pain like this before",
        "I don't know why I have chest pain",
        "no known drug allergies, chest pain after lunch",
        "without warning he felt chest pain",
        "Two-hour history of chest pain",
        "chest pain that started 2 years ago",
        "What should I do, my father has chest pain?",
        "What is the diagnosis in a 60-year-old man with chest pain?",
        "family history of stroke, now chest pain",
        "history of hypertension presents with chest pain",
        "previously healthy woman with chest pain",
    ],
)
def test_a_present_finding_is_asserted(text):
    assert states_of(text, "chest pain") == set()


@pytest.mark.parametrize(
    ("text", "thing", "state"),
    [
        ("history of seizures, now confused", "seizures", "historical"),
        ("He had chest pain ten years ago.", "chest pain", "historical"),
        ("In 2012 he had chest pain.", "chest pain", "historical"),
        ("s/p stroke", "stroke", "historical"),
        ("Family history of stroke", "stroke", "someone else's"),
        ("stroke runs in the family", "stroke", "someone else's"),
        ("What are the signs of stroke?", "stroke", "hypothetical"),
        ("If chest pain develops, return.", "chest pain", "hypothetical"),
        ("Return if you notice slurred speech, weakness, or chest pain.", "chest pain", "hypothetical"),
        ("patients with stroke", "stroke", "hypothetical"),
    ],
)
def test_past_foreign_and_hypothetical_findings_are_told_apart(text, thing, state):
    assert state in states_of(text, thing)


def test_a_denial_that_follows_reaches_over_its_own_list_only():
    assert states_of("Fever, cough, and chest pain were denied.", "fever") == {"negated"}
    assert states_of("chest pain into the left arm, stroke ruled out", "chest pain") == set()
    assert states_of("chest pain into the left arm, stroke ruled out", "stroke") == {"negated"}


def test_a_denial_that_belongs_to_the_finding_does_not_deny_it():
    assert states_of("he has no pulse", "no pulse") == set()
    assert states_of("she is not breathing and blue", "not breathing") == set()
    assert states_of("she is not breathing and blue", "blue") == set()
