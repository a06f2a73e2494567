"""What data/README.md and the README promise about the sample corpus."""

import csv
import itertools
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from langlearn import cases, conditions
from langlearn.config import ROOT, Data

URGENCIES = {"emergency", "urgent", "routine", "self-care"}


@pytest.fixture(scope="module")
def corpus() -> cases.Corpus:
    return cases.read(Data(cases="data/sample_cases.csv", max_bad_rows=0))


@pytest.fixture(scope="module")
def vignettes(corpus) -> list[cases.Case]:
    return [case for case in corpus.cases if case.labels["condition"] not in cases.REFUSALS]


@pytest.fixture(scope="module")
def refusals(corpus) -> list[cases.Case]:
    return [case for case in corpus.cases if case.labels["condition"] in cases.REFUSALS]


@pytest.fixture(scope="module")
def synonyms() -> conditions.Synonyms:
    return conditions.load(ROOT / "data" / "sample_conditions.csv")


def test_there_are_enough_vignettes_conditions_and_specialties_and_refusals(corpus, vignettes, refusals):
    presentations = Counter(case.labels["condition"] for case in vignettes)
    assert not corpus.skipped and not corpus.duplicates
    assert len(vignettes) >= 320
    assert len(presentations) >= 100 and min(presentations.values()) >= 3
    assert len({case.labels["specialty"] for case in vignettes}) >= 18
    assert 14 <= len(refusals) <= 20 and {case.labels["condition"] for case in refusals} == {*cases.REFUSALS}


def test_answers_have_the_length_they_should(vignettes, refusals):
    assert not [case.row for case in vignettes if not 40 <= len(case.completion.split()) <= 110]
    assert not [case.row for case in refusals if not 10 <= len(case.completion.split()) <= 60]


def test_no_two_prompts_are_near_copies(corpus):
    rows = TfidfVectorizer().fit_transform([case.prompt for case in corpus.cases])
    similarity = (rows @ rows.T).toarray()
    np.fill_diagonal(similarity, 0)
    assert similarity.max() < 0.75


def test_the_answer_names_the_condition_and_the_prompt_does_not(vignettes, synonyms):
    for case in vignettes:
        condition = case.labels["condition"]
        assert conditions.names_condition(case.completion, condition, synonyms), (case.row, condition)
        assert not conditions.names_condition(case.prompt, condition, synonyms), (case.row, condition)


def test_the_first_sentence_of_an_answer_names_the_condition(vignettes, synonyms):
    for case in vignettes:
        first = re.split(r"(?<=[.!?])\s", case.completion)[0]
        assert conditions.names_condition(first, case.labels["condition"], synonyms), case.row


def test_the_synonyms_file_lists_the_conditions_of_the_corpus_with_their_specialty(vignettes, synonyms):
    with (ROOT / "data" / "sample_conditions.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["condition"]: row["specialty"] for row in csv.DictReader(file)}
    used = defaultdict(set)
    for case in vignettes:
        used[case.labels["condition"]].add(case.labels["specialty"])
    assert used == {condition: {specialty} for condition, specialty in listed.items()}
    assert set(synonyms) == set(listed) and all(len(names) > 1 for names in synonyms.values())


def test_no_name_of_one_condition_names_another(synonyms):
    for one, other in itertools.permutations(synonyms, 2):
        for name in synonyms[one]:
            assert not conditions.names_condition(name, other, synonyms), (name, other)


def test_every_label_and_character_is_a_plain_one(corpus):
    for case in corpus.cases:
        assert set(case.labels) == {"condition", "specialty", "urgency"}
        assert case.labels["urgency"] in URGENCIES
        for text in (case.prompt, case.completion, *case.labels.values()):
            assert re.fullmatch(r"[ -~\u00b0]+", text) and "  " not in text, case.row


def test_conditions_are_not_in_blocks(vignettes):
    pairs = zip(vignettes, vignettes[1:])
    assert not [one.row for one, next_one in pairs if one.labels["condition"] == next_one.labels["condition"]]


def test_the_default_split_and_the_split_by_presentation_leave_every_condition_something_to_learn_from(corpus):
    for train, held_out in (cases.split(corpus, 0.9, 42), cases.held_out_by_presentation(corpus.cases, 42)):
        left = Counter(case.labels["condition"] for case in train)
        assert all(left[case.labels["condition"]] >= 2 for case in held_out)
    assert len(held_out) >= 100


def test_the_readme_counts_what_is_there(corpus, vignettes, refusals):
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    by_specialty = defaultdict(list)
    for case in vignettes:
        by_specialty[case.labels["specialty"]].append(case.labels["condition"])
    for specialty, named in by_specialty.items():
        assert f"| {specialty} | {len(set(named))} | {len(named)} |" in text
    assert f"| all | {len({c for named in by_specialty.values() for c in named})} | {len(vignettes)} |" in text
    assert f"{len(refusals)} prompts" in text
    urgencies = Counter(case.labels["urgency"] for case in corpus.cases)
    assert all(f"{name} ({count})" in text for name, count in urgencies.items())
