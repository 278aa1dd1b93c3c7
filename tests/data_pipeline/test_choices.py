"""Errors for mistyped choices, and for files that are not there."""

import pytest

from data_pipeline.choices import check_choice

KINDS = ("center", "random", "a mask picture or a folder of them")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("centre", ValueError, r"--mask must be one of .*Did you mean: center \?"),
        ("absent.png", FileNotFoundError, "--mask=absent.png: there is no such file"),
        ("masks/", FileNotFoundError, "or a folder of them that exists, or one of ce"),
        (r"C:\mask", FileNotFoundError, "no such file or folder"),
    ],
)
def test_a_path_that_is_not_there_is_no_mistyped_word(value, error, text):
    with pytest.raises(error, match=text):
        check_choice("mask", value, KINDS)


def test_words_with_dots_are_words_where_no_file_is_taken():
    with pytest.raises(ValueError, match=r"one of a\.b, c; got 'a\.c'"):
        check_choice("preset", "a.c", ("a.b", "c"))
    check_choice("mask", "center", KINDS)
