"""Decrypting: what base64_json reads, and that nothing makes it raise."""

import base64
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.decryptor import NOTHING, Base64Json, Decrypted, Decryptor

DECRYPTOR: Decryptor = Base64Json()
FULL = {"msp": "s3", "mspid": "7", "mediaid": "m1", "locationspec": "eu/7"}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decrypted(content: object) -> Decrypted:
    return DECRYPTOR.decrypt(None, None, encoded(json.dumps(content).encode()))


def test_the_four_keys_of_the_object_are_the_fields():
    assert decrypted({**FULL, "other": "x"}) == Decrypted("s3", "7", "m1", "eu/7")


def test_one_field_is_enough_not_to_fail():
    assert decrypted({"mediaid": "m1"}) == Decrypted(mediaid="m1")
    assert not decrypted({"mediaid": "m1"}).failed


@pytest.mark.parametrize("value", ["", None, 7, 1.5, True, ["m1"], {"a": "b"}])
def test_only_text_that_is_not_empty_is_a_value(value):
    assert decrypted({**FULL, "mediaid": value}) == Decrypted("s3", "7", None, "eu/7")


def test_empty_text_is_nothing_whoever_decrypted_it():
    assert Decrypted("", "", "", "") == NOTHING
    assert Decrypted("", "", "", "").failed


@pytest.mark.parametrize(
    "image_data",
    [
        None,
        "",
        "not base64!",
        encoded(b'{"mediaid": "m1"}').rstrip("="),  # without its padding
        encoded(b'{"mediaid": "m1"}') + "\n",
        encoded(b'{"mediaid": "m1"}') + "=",
        encoded('{"mediaid": "\u00ff?>"}'.encode()).replace("+", "-").replace("/", "_"),  # the URL alphabet
        "é" * 4,
        "\ud800",
        encoded(b'{"mediaid": "m1"'),
        encoded(b'{"mediaid": "m1", "x": NaN}'),
        encoded(b'{"mediaid": "\xff"}'),
        encoded(b'{"mediaid": "\\ud800"}'),
        encoded('{"mediaid": "m1"}'.encode("utf-16")),
        encoded(b'["m1"]'),
        encoded(b'"m1"'),
        encoded(b"null"),
        encoded(b"[" * 100_000),
        encoded(b"{}"),
    ],
)
def test_what_cannot_be_decrypted_is_four_nones(image_data):
    assert DECRYPTOR.decrypt("view", "id", image_data) == NOTHING


def test_padding_is_part_of_the_base64():
    padded = encoded(b'{"mediaid": "m1"}')
    assert padded.endswith("=")
    assert DECRYPTOR.decrypt(None, None, padded) == Decrypted(mediaid="m1")


@given(st.none() | st.text(), st.none() | st.text(), st.none() | st.text() | st.binary().map(encoded))
def test_it_never_raises_and_ignores_the_other_arguments(image_view, image_id, image_data):
    assert DECRYPTOR.decrypt(image_view, image_id, image_data) == DECRYPTOR.decrypt(None, None, image_data)


def test_it_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(DECRYPTOR)) == DECRYPTOR
