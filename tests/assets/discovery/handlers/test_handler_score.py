"""`score`: weighted keywords, from 0 to 100."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import Skip
from assets.discovery.handlers import score
from assets.failures import PermanentFailure
from tests.assets.discovery.handlers.works import a_text, a_work


def scored(text, keywords, **changes):
    result = score.handle(a_text(text, params={"keywords": keywords}, **changes))
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    ("text", "keywords", "points", "matched"),
    [
        ("A recall, and a RECALL.", {"recall": 20, "lawsuit": 10}, 20, {"recall": 2}),
        ("recalled, precall, re-call", {"recall": 20}, 0, {}),
        ("lawsuit recall", {"recall": 20, "lawsuit": 10.5}, 30.5, {"recall": 1, "lawsuit": 1}),
        ("share\n  buyback", {"Share Buyback": 20}, 20, {"Share Buyback": 1}),
        ("a b", {"a": 60, "b": 60}, 100, {"a": 1, "b": 1}),
        ("a b", {"a": -60, "b": 10}, 0, {"a": 1, "b": 1}),
        ("a b", {"a": 60, "b": -10}, 50, {"a": 1, "b": 1}),
        ("STRASSE", {"Straße": 5}, 5, {"Straße": 1}),
        ("C++ (and C)", {"c++": 5, "(and": 1}, 6, {"c++": 1, "(and": 1}),
        ("anything", {".*": 50}, 0, {}),
        ("a b c", {"a": 0.1, "b": 0.2, "c": 0.3}, 0.6, {"a": 1, "b": 1, "c": 1}),
        ("a", {"a": "15"}, 15, {"a": 1}),
    ],
)
def test_the_score_is_the_sum_of_the_weights_of_what_occurs(text, keywords, points, matched):
    assert scored(text, keywords) == {"score": points, "matched": matched}


def test_the_title_counts_and_so_do_the_texts_of_all_stages_before():
    inputs = {"transcript": {"text": "lawsuit"}, "notes": {"text": "recall"}, "tickers": {"symbols": []}}
    work = a_work(
        title="Buyback", inputs=inputs, params={"keywords": {"buyback": 1, "lawsuit": 2, "recall": 4}}
    )
    assert score.handle(work) == {"score": 7, "matched": {"buyback": 1, "lawsuit": 1, "recall": 1}}


def test_without_any_text_the_item_is_skipped():
    assert score.handle(a_work(params={"keywords": {"a": 1}})) == Skip("there is no text to score")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "keywords: it is required"),
        ({"keywords": None}, "keywords: it is required"),
        ({"keywords": {}}, "keywords: "),
        ({"keywords": ["a"]}, "keywords: it must be"),
        ({"keywords": {" ": 1}}, "a keyword must not be blank"),
        ({"keywords": {"a": "much"}}, "keywords.a: 'much': it must be a number"),
        ({"keywords": {"a": float("nan")}}, "keywords.a: "),
    ],
)
def test_keywords_that_cannot_be_used_are_refused_in_one_sentence(params, sentence):
    with pytest.raises(PermanentFailure) as caught:
        score.handle(a_text("a", params=params))
    assert str(caught.value).startswith("the params of stage stage of job shows are wrong: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.text(max_size=60),
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(str.strip),
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
    ),
)
def test_every_score_is_between_0_and_100(text, keywords):
    result = score.handle(a_text(f"text {text}", params={"keywords": keywords}))
    assert isinstance(result, dict)
    assert 0 <= result["score"] <= 100


@given(st.lists(st.sampled_from(["alpha", "beta gamma", "delta"])), st.randoms(use_true_random=False))
def test_every_occurrence_is_counted_and_none_weighs_twice(words, random):
    random.shuffle(words)
    weights = {"alpha": 1, "beta gamma": 2, "delta": 4}
    result = scored(" , ".join(["text", *words]), weights)
    assert result["matched"] == {word: words.count(word) for word in weights if word in words}
    assert result["score"] == sum(weights[word] for word in set(words))
