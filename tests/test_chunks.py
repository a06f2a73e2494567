from langlearn.search.chunks import pieces

LONG = (
    "One two three four. Five six seven. Eight nine ten eleven twelve? Thirteen fourteen.\n\nFifteen sixteen seventeen."
)


def count_words(texts):
    return [len(text.split()) for text in texts]


def parts(text, window):
    """The parts of a text that does not fit."""
    whole, *spans = pieces([text], count_words, window)[0]
    assert text[slice(*whole)] == text.strip() and spans
    return [text[start:end] for start, end in spans]


def test_a_text_that_fits_stays_in_one_piece():
    assert pieces(["  One two. Three four.\n"], count_words, 4) == [[(2, 22)]]


def test_a_longer_text_is_also_cut_between_sentences_and_nothing_is_lost():
    found = parts(LONG, 12)
    assert " ".join(found).split() == LONG.split()
    assert all(part[-1] in ".?" for part in found) and len(found) > 1
    assert max(count_words(found)) <= 6


def test_parts_are_of_about_one_size():
    text = " ".join(f"This is sentence {i}." for i in range(25))
    sizes = count_words(parts(text, 64))
    assert len(sizes) == 4 and min(sizes) >= 16


def test_a_sentence_longer_than_a_part_is_cut_between_words():
    text = " ".join(f"word{i}" for i in range(50)) + "."
    found = parts(text, 10)
    assert " ".join(found) == text and max(count_words(found)) <= 5


def test_a_word_longer_than_a_part_still_ends():
    def count_letters(texts):
        return [len(text) for text in texts]

    spans = pieces(["a" * 1000], count_letters, 100)[0][1:]
    assert max(end - start for start, end in spans) <= 50 and sum(end - start for start, end in spans) == 1000


def test_a_blank_text_has_no_pieces():
    assert pieces(["", " \n", "x"], count_words, 5) == [[], [], [(0, 1)]]
