from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_embedder import save_embedder

from langlearn.cases import Case, Corpus
from langlearn.embedding import Embedder
from langlearn.index import Index, open_index
from langlearn.retrieval import CrossEncoder, Retriever
from langlearn.search.calibration import draw, grouping_label

ANKLE = "She landed on the outer side of her foot at basketball and now the outside of the ankle is swollen and tender."
ROWS = [
    ("ankle", f"A woman of 25. {ANKLE}", "Lateral ankle sprain. Rest, ice, compression, elevation.", "sprain"),
    ("foot", "A boy of 12 rolled his foot inwards on a kerb and has a bruise below the outer ankle bone.",
     "Sprain of the lateral ankle ligaments. X-ray only if he cannot bear weight.", "sprain"),
    ("throat", "A student has had a sore throat, fever and swollen glands in the neck for three days, without cough.",
     "Streptococcal pharyngitis is likely. Phenoxymethylpenicillin and fluids.", "pharyngitis"),
    ("tonsils", "A child of 7 with fever, pus on both tonsils, painful swallowing and a rash like sandpaper.",
     "Scarlet fever with streptococcal tonsillitis. Penicillin, and stay away from school.", "pharyngitis"),
    ("urine", "A woman of 30 has burning on passing urine, and has to go often, for two days. No fever.",
     "Lower urinary tract infection. Nitrofurantoin for three days.", "cystitis"),
    ("bladder", "A newly married nurse passes small amounts of cloudy urine with stinging pain above the pubic bone.",
     "Acute cystitis. A short course of an antibiotic; a culture if it comes back.", "cystitis"),
    ("toe", "A man of 60 woke at night with a hot, red, swollen big toe after a feast with red wine.",
     "Acute gout. Colchicine or naproxen, and check urate later.", "gout"),
    ("knee", "A farmer on a thiazide has sudden severe pain, redness and swelling of one knee; crystals on aspiration.",
     "Gout of the knee. Stop the thiazide if possible; anti-inflammatory treatment.", "gout"),
    ("bird", "What is the national bird of New Zealand?", "That is outside what I can help with.", "out of scope"),
]  # fmt: skip
CASES = [Case(name, prompt, completion, row, {"condition": condition})
         for row, (name, prompt, completion, condition) in enumerate(ROWS)]  # fmt: skip


def opened(folder: Path, cases: list[Case], embedder: Embedder) -> Index:
    return open_index(folder, Corpus(cases, Path("cases.csv"), "", [], 0), embedder)


@pytest.fixture(scope="module")
def minilm():
    return Embedder("all-MiniLM-L6-v2", device="cpu")


@pytest.fixture(scope="module")
def index(tmp_path_factory, minilm):
    return opened(tmp_path_factory.mktemp("index"), CASES, minilm)


@pytest.fixture(scope="module")
def retriever(index, minilm):
    return Retriever(index, minilm)


def ids(hits) -> list[str]:
    return [hit.case.id for hit in hits]


@pytest.mark.parametrize("mode", ["auto", "hybrid", "dense", "bm25"])
def test_each_mode_finds_the_case_that_is_asked_about(index, minilm, mode):
    hits = Retriever(index, minilm, mode).search("swollen ankle after basketball", 3)
    assert hits[0].case.id == "ankle" and [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def test_the_score_is_the_cosine_similarity_in_every_mode(index, minilm):
    question = "stinging pain on passing urine"
    vector = minilm.encode_questions([question])[0]
    for mode in ("hybrid", "dense", "bm25"):
        for hit in Retriever(index, minilm, mode).search(question, 3):
            own = index.vectors[index.owner == CASES.index(hit.case)]
            assert hit.score == pytest.approx(float((own @ vector).max()), abs=1e-5)


def test_hits_come_best_first_and_say_what_found_them(index, minilm):
    dense = Retriever(index, minilm, "dense").search("pain in a joint at night", 4)
    assert [hit.score for hit in dense] == sorted((hit.score for hit in dense), reverse=True)
    by_word = Retriever(index, minilm, "bm25").search("thiazide", 4)
    assert ids(by_word) == ["knee"] and by_word[0].found_by in ("bm25", "both")


def test_a_case_that_is_excluded_is_never_found_however_few_are_left(retriever):
    names = [case.id for case in CASES]
    for kept in names:
        assert ids(retriever.search(ANKLE, 5, exclude=set(names) - {kept})) == [kept]
    assert retriever.search(ANKLE, 5, exclude=set(names)) == []
    assert "ankle" not in ids(retriever.search(CASES[0].prompt, 9, exclude={"ankle", "not a case"}))


def test_many_questions_find_what_each_finds_alone(retriever):
    questions = ["big toe pain", "sore throat", ANKLE]
    exclude = [{"toe"}, set(), {"ankle"}]
    together = retriever.search_many(questions, 3, exclude)
    alone = [retriever.search(question, 3, hidden) for question, hidden in zip(questions, exclude)]
    assert [ids(hits) for hits in together] == [ids(hits) for hits in alone]
    assert retriever.search_many([], 3) == [] and retriever.search_many(questions, 0) == [[], [], []]


def test_what_was_embedded_before_finds_the_same_and_is_not_embedded_again(retriever, monkeypatch):
    questions = [*(case.prompt for case in CASES), "big toe pain"]
    expected = retriever.search_many(questions, 3)
    asked, real = [], retriever.embedder.encode_questions
    monkeypatch.setattr(retriever.embedder, "encode_questions", lambda texts, *_: asked.append(texts) or real(texts))
    for _ in range(2):
        vectors = retriever.remembered(questions, "questions")
        assert [ids(hits) for hits in retriever.search_many(questions, 3, vectors=vectors)] == list(map(ids, expected))
    assert asked == [["big toe pain"]]  # the index was fitted on the prompts


def test_asking_for_more_than_there_is_gives_each_case_once(retriever):
    assert sorted(ids(retriever.search("fever", 100))) == sorted(case.id for case in CASES)


def test_near_copies_of_a_better_hit_are_collapsed(tmp_path, minilm):
    copy = Case("copy", CASES[0].prompt.replace("25", "26"), CASES[0].completion, 9, {})
    same_prompt = Case("other", CASES[0].prompt, "A fracture of the lateral malleolus. Cast and refer.", 10, {})
    found = ids(Retriever(opened(tmp_path, [*CASES, copy, same_prompt], minilm), minilm).search(ANKLE, 4))
    assert len({"ankle", "copy"} & set(found)) == 1 and "other" in found


def test_a_case_longer_than_the_window_is_found_by_any_of_its_parts_and_reported_once(tmp_path, minilm):
    filler = " ".join(f"Day {day}: she slept, ate and walked, and nothing of note was seen." for day in range(60))
    long = Case("long", f"A long stay. {filler}", f"{filler} On the last day a black eschar after a tick bite.", 9, {})
    index = opened(tmp_path, [*CASES, long], minilm)
    hits = Retriever(index, minilm, "dense").search("black eschar after a tick bite", 5)
    assert hits[0].case.id == "long" and ids(hits).count("long") == 1
    assert index.owner.tolist().count(9) > 5 and index.manifest["counts"]["split"] == 1


def test_what_the_corpus_knows_reaches_the_threshold_and_what_it_does_not_stays_below(retriever):
    known = [
        "My ankle is swollen after I twisted it.",
        "burning when I pee",
        "Is this gout? My big toe is red and hot.",
    ]
    unknown = ["How do I make a HTML hyperlink?", "How far away is the Moon?", "Who won the election in 1996?"]
    best = [retriever.search(question, 1)[0].score for question in known + unknown]
    assert min(best[:3]) >= retriever.threshold > max(best[3:])
    assert retriever.index.manifest["threshold"]["false_answer"] <= 0.1


def test_a_case_that_declines_is_found_as_evidence_for_declining(retriever):
    hit = retriever.search("What is the national bird of the United States?", 1)[0]
    assert hit.case.id == "bird" and hit.score >= retriever.threshold


def test_cases_that_decline_take_no_part_in_the_fit():
    another = Case("poem", "Write me a poem.", "I only discuss cases.", 9, {"condition": "out of scope"})
    drawn = draw([*CASES, another], completions_only=False)
    assert drawn.label == "condition" and drawn.cases and not {8, 9} & {*drawn.cases}
    assert {CASES[8].prompt, another.prompt} < {*drawn.outside}


def test_the_finest_label_that_groups_cases_is_what_makes_two_cases_alike():
    def labelled(**columns) -> list[Case]:
        rows = zip(*columns.values())
        return [Case(str(i), "p", "c", i, dict(zip(columns, row))) for i, row in enumerate(rows)]

    fine, coarse, unique = [str(i // 3) for i in range(300)], [str(i // 100) for i in range(300)], map(str, range(300))
    assert grouping_label(labelled(specialty=coarse, condition=fine, number=unique)) == "condition"
    assert (
        grouping_label(labelled(specialty=coarse)) is None
        and grouping_label(labelled(number=map(str, range(9)))) is None
    )


def test_without_labels_a_prompt_is_drawn_with_its_own_completion_and_the_draw_is_stable():
    cases = [Case(f"{i}", f"Question {i}. More.", f"Answer {i}", i, {}) for i in range(900)]
    drawn = draw(cases, completions_only=False)
    assert drawn.label is None and len(drawn.cases) == 500
    assert drawn.completions == [cases[number].completion for number in drawn.cases]
    fewer = draw(cases[:-9], completions_only=False)
    assert len({*drawn.prompts} - {*fewer.prompts}) <= 9


def test_a_reranker_decides_the_order_of_what_was_found(index, minilm, tmp_path):
    folder = save_reranker(tmp_path / "reranker")
    question = "sudden pain"
    hits = Retriever(index, minilm, reranker=str(folder)).search(question, 9)
    scores = CrossEncoder(str(folder)).scores(question, [hit.case for hit in hits])
    assert (np.diff(scores) <= 0).all() and len(hits) == 9
    assert ids(hits) != ids(Retriever(index, minilm).search(question, 9))


def save_reranker(folder: Path) -> Path:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

    tokenizer = AutoTokenizer.from_pretrained(save_embedder(folder.with_name("tokenizer")))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
