"""Sentences, numbers and characters of medical English."""

import pytest

from langlearn.clinical.english import digits, fold, pattern, sentences, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Give aspirin, e.g. 300 mg. Then call Dr. Smith.", ["Give aspirin, e.g. 300 mg.", "Then call Dr. Smith."]),
        ("The dose is 0.5 mg. It helps.", ["The dose is 0.5 mg.", "It helps."]),
        ("Potassium was 3.1. then it rose.", ["Potassium was 3.1.", "then it rose."]),
        ("Rest and ice [1]. Elevate it. [2][3] Walk.", ["Rest and ice [1].", "Elevate it. [2][3]", "Walk."]),
        ("1. Give oxygen.\n2. Call for help.", ["1. Give oxygen.", "2. Call for help."]),
        ("Really?! Yes... it is.", ["Really?!", "Yes...", "it is."]),
        ("i have pain. it began today", ["i have pain.", "it began today"]),
        ("Take it b.i.d. with food. Stop at 8 p.m. Rest.", ["Take it b.i.d. with food.", "Stop at 8 p.m.", "Rest."]),
        ("First line\nof a wrapped text.\n\nA new paragraph", ["First line\nof a wrapped text.", "A new paragraph"]),
        ("It is vitamin D. Take it.", ["It is vitamin D.", "Take it."]),
        ("  \n ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert sentences(text) == expected


def test_spelt_numbers_become_figures_and_the_word_one_stays():
    assert digits("five hundred mg for twenty-one days") == "500 mg for 21 days"
    assert digits("two thousand and five units") == "2005 units"
    assert digits("no one took one") == "no one took one"


def test_typography_folds_into_plain_characters():
    assert fold("１\u00a0000\u2009mg – “don’t”") == "1000 mg - \"don't\""
    assert fold("1½ ½ Sjögren ta\u200bblet µg") == "1.5 0.5 Sjogren tablet μg"


def test_british_and_american_spelling_and_inflections_are_one_word():
    for one, other in [("anaemia", "anemia"), ("haemorrhages", "hemorrhage"), ("antibiotics", "antibiotic"),
                       ("oedema", "edema"), ("treated", "treats"), ("stabilise", "stabilize")]:  # fmt: skip
        assert stem(one) == stem(other)
    assert stem("hyperkalaemia") != stem("hypokalaemia")


def test_words_are_content_words_with_their_places():
    text = "The patient's antibiotics are not needed"
    assert [(word, text[slice(*span)]) for word, span in words(text)] == [
        ("antibiotic", "antibiotics"),
        ("need", "needed"),
    ]


def test_a_gap_in_a_table_crosses_words_but_no_denial_and_no_comma():
    drooping = pattern("FACE ~ droop\\w*", {"FACE": "face, mouth"})
    assert drooping.search("his face is clearly drooping") and drooping.search("mouth drooping")
    assert not drooping.search("his face is not drooping") and not drooping.search("face fine, eyelid drooping")
    assert not drooping.search("surface drooping")
