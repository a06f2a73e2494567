import csv
import hashlib
import json
from pathlib import Path

import pytest

from langlearn import assets, cases, config
from langlearn.config import Data
from langlearn.errors import UserError

HEADER = "Prompt,Completion\n"
SECRET = "Mrs Example of 12 Elm Road"


def read(path: Path, content: bytes | str, **settings) -> cases.Corpus:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return cases.read(Data(cases=str(path), **settings))


def good(count: int, start: int = 0) -> str:
    return "".join(f"question {i},answer {i}\n" for i in range(start, start + count))


def labelled(conditions: dict[str, int]) -> cases.Corpus:
    made = [
        cases.Case(f"{name} {i}", f"{name}? {i}", f"{name}.", 0, {"condition": name} if name else {})
        for name, count in conditions.items()
        for i in range(count)
    ]
    return cases.Corpus(made, Path("made.csv"), "", [], 0)


def ids(some: list[cases.Case]) -> list[str]:
    return [case.id for case in some]


def test_a_case_keeps_its_text_row_labels_and_an_id_that_anyone_can_recompute(tmp_path):
    text = 'Prompt,Completion,condition,note\n" What, is\nthis? ","It is ""gout"".",gout,\n'
    corpus = read(tmp_path / "c.csv", text)
    [case] = corpus.cases
    assert (case.prompt, case.completion) == ("What, is\nthis?", 'It is "gout".')
    assert case.row == 2 and case.labels == {"condition": "gout"}
    assert case.id == hashlib.sha256(b'What, is\nthis?\0It is "gout".').hexdigest()[:12]
    assert corpus.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert corpus.path == tmp_path / "c.csv" and not corpus.skipped and not corpus.duplicates


def test_byte_order_mark_line_ends_delimiter_and_blank_lines_make_no_difference(tmp_path):
    plain = read(tmp_path / "plain.csv", HEADER + good(3))
    for number, content in enumerate([
        b"\xef\xbb\xbf" + (HEADER + good(3)).encode(),
        (HEADER + good(3)).replace("\n", "\r\n"),
        (HEADER + good(3)).replace("\n", "\r"),
        (HEADER + good(3)).replace(",", ";"),
        (HEADER + good(3)).replace(",", "\t"),
        HEADER + "\n" + good(1) + "\n\n" + good(2, start=1) + "\n",
        "id,Completion, Prompt \n" + "".join(f"{i},answer {i},question {i}\n" for i in range(3)),
    ]):  # fmt: skip
        corpus = read(tmp_path / f"{number}.csv", content)
        assert ids(corpus.cases) == ids(plain.cases) and not corpus.skipped, content


def test_csv_jsonl_and_parquet_with_the_same_cases_give_the_same_corpus(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"Prompt": f"question {i} °C", "Completion": f"answer\n{i}", "age": i} for i in range(4)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "c.parquet", use_dictionary=["Prompt"])
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n", encoding="utf-8")
    with (tmp_path / "c.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    corpora = [cases.read(Data(cases=str(tmp_path / f"c.{kind}"))) for kind in ("csv", "jsonl", "parquet")]
    assert ids(corpora[0].cases) == ids(corpora[1].cases) == ids(corpora[2].cases)
    assert [case.labels["age"] for case in corpora[2].cases] == ["0", "1", "2", "3"]
    assert all(len(corpus.cases) == 4 for corpus in corpora)


BAD_ROWS = {
    "an empty field": (b"question,   \n", "Completion is empty"),
    "broken UTF-8": (b"question \xff\xfe,answer\n", "Prompt is not UTF-8"),
    "a NUL": (b"question,ans\0wer\n", "Completion holds a NUL"),
    "1 MB of text": (b"question," + b"x" * 1_000_000 + b"\n", "Completion has 1,000,000 characters"),
    "1 MB over many lines": (b'question,"' + b"line\n" * 200_000 + b'"\n', "Completion has 999,999 characters"),
    "a field too many": (b"question, and more,answer\n", "number of fields is 3, not 2"),
    "a field too few": (b"question\n", "number of fields is 1, not 2"),
    "a quote never closed": (b'question,"answer\n', "quotes do not match"),
    "a quote inside": (b'"a "real" question",answer\n', "quotes do not match"),
}


@pytest.mark.parametrize("row, reason", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named_and_skipped_and_no_other_is_lost(tmp_path, row, reason):
    csv.field_size_limit(131_072)
    corpus = read(tmp_path / "c.csv", (HEADER + good(30)).encode() + row + good(30, start=30).encode())
    [(number, said)] = corpus.skipped
    assert number == 32 and said.startswith(reason)
    assert ids(corpus.cases) == ids(read(tmp_path / "whole.csv", HEADER + good(60)).cases)
    assert [case.row for case in corpus.cases] == [*range(2, 32), *range(33, 63)]
    assert csv.field_size_limit() == 131_072
    assert "60 cases" in corpus.summary() and f"row 32: {reason}" in corpus.summary()


def test_a_quote_never_closed_between_quoted_rows_costs_its_own_row_only(tmp_path):
    quoted = [f'"question {i}","answer {i}"\n' for i in range(60)]
    for broken in ('"never closed,answer\n', '"question","never closed\n'):
        corpus = read(tmp_path / "c.csv", HEADER + "".join(quoted[:40]) + broken + "".join(quoted[40:]))
        assert [row for row, _ in corpus.skipped] == [42]
        assert len(corpus.cases) == 60


def test_bad_rows_of_jsonl_and_parquet_are_named_and_skipped(tmp_path):
    import pyarrow
    import pyarrow.parquet

    lines = [json.dumps({"Prompt": f"question {i}", "Completion": "answer"}).encode() for i in range(7)]
    lines[1] = b'{"Prompt": "cut of'
    lines[2] = b'["Prompt", "Completion"]'
    lines[3] = b'{"Prompt": "q\xff", "Completion": "a"}'
    lines[4] = b'{"Prompt": "q", "Completion": "\\ud800"}'
    lines[5] = b'{"Prompt": 7, "Completion": "\\u0000"}'
    corpus = read(tmp_path / "c.jsonl", b"\n".join(lines), max_bad_rows=0.9)
    assert corpus.skipped == [
        (2, "not valid JSON"),
        (3, "not a JSON object"),
        (4, "Prompt is not UTF-8"),
        (5, "Completion is not UTF-8"),
        (6, "Prompt is not text"),
    ]
    assert [case.row for case in corpus.cases] == [1, 7]

    broken = pyarrow.array([b"good", b"\xff", b"", None], pyarrow.binary()).view(pyarrow.string())
    table = pyarrow.table({"Prompt": broken.dictionary_encode(), "Completion": ["answer"] * 4})
    pyarrow.parquet.write_table(table, tmp_path / "c.parquet")
    corpus = cases.read(Data(cases=str(tmp_path / "c.parquet"), max_bad_rows=0.9))
    assert corpus.skipped == [(2, "Prompt is not UTF-8"), (3, "Prompt is empty"), (4, "Prompt is empty")]


def test_the_run_stops_above_the_share_of_bad_rows_that_is_allowed(tmp_path):
    assert len(read(tmp_path / "c.csv", HEADER + good(19) + "question,\n").cases) == 19
    with pytest.raises(UserError, match=r"2 of 20 rows bad \(row 20: Completion is empty; row 21.*\n.*max_bad_rows"):
        read(tmp_path / "c.csv", HEADER + good(18) + "question,\n" * 2)
    with pytest.raises(UserError, match="save the file as UTF-8"):
        read(tmp_path / "c.csv", b"Prompt,Completion\n" + b"caf\xe9,answer\n" * 20)
    with pytest.raises(UserError, match="20 of 20 rows bad"):
        read(tmp_path / "c.csv", HEADER + "question,\n" * 20, max_bad_rows=1.0)


def test_exact_duplicates_are_dropped_and_counted(tmp_path):
    corpus = read(tmp_path / "c.csv", HEADER + good(3) + good(2) + "question 0,another answer\n")
    assert corpus.duplicates == 2 and [case.row for case in corpus.cases] == [2, 3, 4, 7]
    assert "2 duplicates" in corpus.summary()


UNUSABLE = {
    "nothing": (b"", "is empty"),
    "blank lines": (b"\n\r\n \n", "is empty"),
    "a byte order mark only": (b"\xef\xbb\xbf", "header"),
    "a header only": (HEADER.encode(), "is empty"),
    "UTF-16": (HEADER.encode("utf-16"), "is UTF-16: save it as UTF-8"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "a broken header": (b'Prompt,"Completion\nquestion,answer\n', "row 1.*quotes do not match"),
    "a column twice": (b"Prompt,Completion,Prompt\na,b,c\n", "has 2 columns 'Prompt'"),
}


@pytest.mark.parametrize("content, message", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_file_is_refused_by_name(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"c\.csv.*{message}"):
        read(tmp_path / "c.csv", content)


def test_a_damaged_parquet_or_jsonl_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="c.parquet is not a whole Parquet file"):
        read(tmp_path / "c.parquet", b"PAR1 and no more")
    with pytest.raises(UserError, match="c.jsonl holds no JSON object"):
        read(tmp_path / "c.jsonl", HEADER + good(2))


def test_wrong_columns_are_named_with_the_nearest_ones(tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path / "c.csv", "PROMPT,completions,age\na,b,1\n")
    assert "no column 'Prompt' and no 'Completion', but PROMPT, completions, age" in str(caught.value)
    assert "did you mean PROMPT and completions?" in str(caught.value)
    assert len(read(tmp_path / "c.csv", "q,a\nx,y\n", prompt_column="q", completion_column="a").cases) == 1
    with pytest.raises(UserError, match="both 'Prompt'"):
        read(tmp_path / "c.csv", HEADER + good(1), completion_column="Prompt")


def test_no_message_repeats_what_a_row_says(tmp_path):
    for content in (f"{SECRET} presents with a long story about her knee and her other knee,answer\n" * 2,
                    HEADER + f'{SECRET},"{SECRET}\n', HEADER + f"{SECRET},\n", HEADER + f"{SECRET},a,b\n"):  # fmt: skip
        with pytest.raises(UserError) as caught:
            read(tmp_path / "c.csv", content)
        assert SECRET not in str(caught.value) and len(str(caught.value).splitlines()) <= 2


def test_a_missing_file_or_a_file_of_another_kind_is_refused_with_a_remedy(tmp_path):
    for name in ("missing.csv", "missing/", ""):
        with pytest.raises(UserError, match="point data.cases at"):
            cases.locate(name and str(tmp_path / name))
    (tmp_path / "cases.xlsx").touch()
    with pytest.raises(UserError, match="ends in '.xlsx'"):
        cases.locate(str(tmp_path / "cases.xlsx"))


def test_a_relative_path_starts_at_the_project_or_else_where_the_command_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.csv").write_text("Prompt,Completion\na,b\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample_cases.csv").write_text("Prompt,Completion\na,b\n")
    assert cases.locate("notes.csv") == tmp_path / "notes.csv" == assets.corpus_path("notes.csv")
    assert cases.locate("data/sample_cases.csv") == config.ROOT / "data" / "sample_cases.csv"
    assert assets.corpus_path("data/sample_cases.csv") == config.ROOT / "data" / "sample_cases.csv"
    with pytest.raises(UserError, match="other.csv does not exist"):
        cases.locate("other.csv")


def test_a_folder_stands_for_its_one_data_file(tmp_path):
    clone = tmp_path / "MedText"
    (clone / ".git").mkdir(parents=True)
    (clone / ".git" / "index.csv").write_text(HEADER + good(1))
    (clone / "README.md").write_text("# MedText")
    with pytest.raises(UserError, match="holds no CSV, JSONL or Parquet file"):
        cases.locate(str(clone))
    (clone / "data").mkdir()
    (clone / "data" / "train.CSV").write_text(HEADER + good(1))
    assert cases.locate(str(clone)) == clone / "data" / "train.CSV"
    (clone / "cases.csv").write_text(HEADER + good(1))
    assert cases.locate(str(clone)) == clone / "cases.csv"
    (clone / "other.csv").write_text("question,answer\na,b\n")
    assert cases.locate(str(clone)) == clone / "cases.csv"
    assert cases.locate(str(clone), ("question", "answer")) == clone / "other.csv"
    (clone / "more.csv").write_text(HEADER + good(1))
    with pytest.raises(UserError, match=r"holds 2 data files \(cases.csv, more.csv\)"):
        cases.locate(str(clone))
    with pytest.raises(UserError, match=r"holds 3 data files \(cases.csv, more.csv, other.csv\)"):
        cases.locate(str(clone), ("neither", "nor"))


def test_the_split_depends_on_the_cases_and_the_seed_and_nothing_else(tmp_path):
    corpus = read(tmp_path / "c.csv", HEADER + good(40))
    train, held_out = cases.split(corpus, 0.9, seed=42)
    # Pinned: whoever trains on one machine must be able to evaluate on another.
    assert [case.prompt for case in held_out] == [f"question {i}" for i in (0, 2, 11, 31)]
    assert len(train) == 36 and sorted(ids(train + held_out)) == sorted(ids(corpus.cases))
    turned = cases.Corpus(corpus.cases[::-1], corpus.path, "", [], 0)
    assert cases.split(turned, 0.9, seed=42) == (train, held_out)
    assert cases.split(corpus, 0.9, seed=43)[1] != held_out
    assert len(cases.split(corpus, 0.8, seed=42)[1]) == 8


def test_fewer_cases_than_the_split_needs_are_refused_with_the_numbers(tmp_path):
    for count, share in ((1, 0.5), (4, 0.9), (3, 0.1)):
        corpus = read(tmp_path / "c.csv", HEADER + good(count))
        with pytest.raises(UserError, match=rf"{count} cases at data.train_share {share} are \d to train and \d"):
            cases.split(corpus, share, seed=1)
    assert [len(side) for side in cases.split(read(tmp_path / "c.csv", HEADER + good(5)), 0.9, 1)] == [4, 1]


@pytest.mark.parametrize("seed", range(5))
def test_a_held_out_case_has_another_presentation_of_its_condition_in_training(seed):
    corpus = labelled({f"condition {i}": 3 for i in range(40)} | {"seen once": 1})
    train, held_out = cases.split(corpus, 0.8, seed)
    named = [case.labels["condition"] for case in held_out]
    assert len(held_out) == 24 and len(set(named)) == 24
    assert set(named) <= {case.labels["condition"] for case in train} and "seen once" not in named
    train, held_out = cases.split(corpus, 0.5, seed)
    assert len(held_out) == 61 and len({case.labels["condition"] for case in train}) == 41


def test_a_few_wide_labels_do_not_shrink_the_split_but_all_different_ones_are_refused():
    assert len(cases.split(labelled({"ill": 60, "well": 40}), 0.9, 1)[1]) == 10
    with pytest.raises(UserError, match="none of its 30 conditions has a second case"):
        cases.split(labelled({f"condition {i}": 1 for i in range(30)}), 0.9, 1)


def test_one_presentation_of_every_condition_is_held_out_and_refusals_by_share():
    corpus = labelled({f"condition {i}": 3 for i in range(20)} | {"seen once": 1, "out of scope": 20, "": 5})
    train, held_out = cases.held_out_by_presentation(corpus.cases, seed=7)
    named = [case.labels.get("condition", "") for case in held_out]
    assert {name: named.count(name) for name in set(named)} == (
        {f"condition {i}": 1 for i in range(20)} | {"out of scope": 2}
    )
    assert len(train) == 64 and not {*ids(train)} & {*ids(held_out)}
    assert cases.held_out_by_presentation(corpus.cases[::-1], seed=7) == (train, held_out)
    assert ids(cases.held_out_by_presentation(corpus.cases, seed=8)[1]) != ids(held_out)

    more = labelled({"a new condition": 3}).cases + corpus.cases
    assert {*ids(held_out)} < {*ids(cases.held_out_by_presentation(more, seed=7)[1])}
    with pytest.raises(UserError, match="no two cases share a 'condition'"):
        cases.held_out_by_presentation(labelled({"": 5, "seen once": 1}).cases, seed=7)
