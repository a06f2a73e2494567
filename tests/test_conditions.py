import pytest

from langlearn import conditions
from langlearn.errors import UserError

SYNONYMS = {
    "bell's palsy": ["bell's palsy", "idiopathic facial palsy"],
    "heat stroke": ["heat stroke"],
    "pre-eclampsia": ["pre-eclampsia"],
    "iron deficiency anaemia": ["iron deficiency anaemia"],
    "guillain-barre syndrome": ["guillain-barre syndrome"],
    "deep vein thrombosis": ["deep vein thrombosis", "dvt"],
    "gout": ["gout"],
    "lateral ankle sprain": ["lateral ankle sprain", "sprained ankle"],
    "peritonsillar abscess": ["peritonsillar abscess"],
}


@pytest.mark.parametrize(
    "condition, text",
    [
        ("bell's palsy", "Bell's palsy"),
        ("bell's palsy", "this is BELL\u2019S PALSY."),
        ("bell's palsy", "Bell palsy"),
        ("bell's palsy", "two Bells palsies"),
        ("bell's palsy", "an (idiopathic facial palsy)"),
        ("heat stroke", "Heatstroke, clearly"),
        ("heat stroke", "heat-stroke"),
        ("heat stroke", "heat\nstrokes"),
        ("pre-eclampsia", "preeclampsia"),
        ("pre-eclampsia", "pre eclampsia"),
        ("pre-eclampsia", "pre\u2011eclampsia"),
        ("iron deficiency anaemia", "iron-deficiency anemia"),
        ("iron deficiency anaemia", "Iron deficiency an\u00e6mia"),
        ("guillain-barre syndrome", "Guillain\u2013Barr\u00e9 syndrome"),
        ("deep vein thrombosis", "bilateral DVTs"),
        ("gout", "Gout: acute"),
        ("gout", "In the dugout, gout"),
        ("lateral ankle sprain", "lateral ankle sprains"),
        ("peritonsillar abscess", "peritonsillar abscesses"),
        ("asthma", "asthma, which has no synonyms here"),
    ],
)
def test_a_condition_is_named_however_it_is_spelt_and_joined(condition, text):
    assert conditions.names_condition(text, condition, SYNONYMS)


@pytest.mark.parametrize(
    "condition, text",
    [
        ("gout", "the dugout"),
        ("gout", "gouty tophi"),
        ("gout", "He should go, utterly"),
        ("bell's palsy", "a palsy, and a bell"),
        ("heat stroke", "He avoids heat. Stroke is unlikely."),
        ("lateral ankle sprain", "lateral ankle pain; sprain"),
        ("pre-eclampsia", "eclampsia"),
        ("deep vein thrombosis", "superficial vein thrombosis"),
        ("gout", ""),
        ("", "anything at all"),
    ],
)
def test_parts_of_words_and_scattered_words_name_nothing(condition, text):
    assert not conditions.names_condition(text, condition, SYNONYMS)


def test_the_file_gives_each_condition_with_all_its_names_itself_first(tmp_path):
    path = tmp_path / "conditions.csv"
    path.write_text("condition,specialty,synonyms\ngout,rheumatology,podagra | gouty arthritis\nscabies,dermatology,\n")
    assert conditions.load(path) == {"gout": ["gout", "podagra", "gouty arthritis"], "scabies": ["scabies"]}


def test_a_missing_or_damaged_file_is_refused_by_name(tmp_path):
    path = tmp_path / "conditions.csv"
    with pytest.raises(UserError, match="conditions.csv do not exist"):
        conditions.load(path)
    path.write_text("condition,names\ngout,podagra\n")
    with pytest.raises(UserError, match="needs the columns condition and synonyms"):
        conditions.load(path)
    path.write_text("condition,synonyms\ngout,podagra\nscabies\n")
    with pytest.raises(UserError, match="row 3 is damaged"):
        conditions.load(path)
