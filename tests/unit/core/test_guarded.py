"""JSON and YAML of others have bounds of size, depth and aliases; all examples are small."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from matsciml_core.guarded import (
    DEEPEST,
    LARGEST_TEXT,
    BoundsError,
    DoubledKeyError,
    parse_json,
    parse_yaml,
    read_json,
    read_text,
)


def nested(depth):
    return "[" * depth + "]" * depth


DOUBLING = "\n".join(
    ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
)
"""Forty lines that unfold to a million million values."""


class TestJSON:
    def test_ordinary_text(self):
        assert parse_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
        assert parse_json(b"[1]") == [1]

    def test_a_key_with_two_values_is_an_error(self):
        assert parse_json('{"a": [1], "b": 2, "a": [1]}') == {"a": [1], "b": 2}
        with pytest.raises(DoubledKeyError, match="two values of 'a'"):
            parse_json('[{"b": {"a": 1, "a": 2}}]')

    def test_depth(self):
        assert parse_json(nested(DEEPEST)) is not None
        with pytest.raises(BoundsError, match=f"more than {DEEPEST} containers"):
            parse_json(nested(DEEPEST + 1))

    @pytest.mark.parametrize("largest", [None, LARGEST_TEXT])
    @pytest.mark.parametrize("text", [nested(100_000), '{"a":' * 100_000])
    def test_what_exhausts_the_stack_is_an_ordinary_error(self, text, largest):
        with pytest.raises(ValueError, match=r"nested too deeply|Expecting"):
            parse_json(text, largest=largest)

    def test_data_may_be_deep_and_large(self):
        assert parse_json(nested(200), largest=None) is not None

    def test_size(self):
        with pytest.raises(BoundsError, match="larger than 4,096 KiB"):
            parse_json(json.dumps("x" * LARGEST_TEXT))

    def test_no_more_of_a_file_is_read_than_is_allowed(self, tmp_path):
        path = tmp_path / "large.json"
        with path.open("wb") as stream:
            stream.truncate(1 << 40)  # a hole, which takes no room on the disk
        with pytest.raises(BoundsError, match="larger than"):
            read_json(path)
        with pytest.raises(BoundsError, match="larger than"):
            read_text(path, largest=10)

    def test_what_is_no_text(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(ValueError, match="utf-8"):
            read_json(path)


class TestYAML:
    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize("text", ["", "a: [1, x]", "- 1e5\n- null", "a: &x {b: 1}\nc: *x"])
    def test_ordinary_text_is_what_the_library_makes_of_it(self, text, plain):
        loader = yaml.BaseLoader if plain else yaml.SafeLoader
        assert parse_yaml(text, plain=plain) == yaml.load(text, loader)

    def test_depth(self):
        assert parse_yaml(nested(DEEPEST)) is not None
        for text in (nested(DEEPEST + 1), nested(20_000), "- " * 20_000):
            start = time.process_time()
            with pytest.raises(BoundsError, match="containers within one another"):
                parse_yaml(text)
            assert time.process_time() - start < 2

    def test_aliases_that_unfold_to_too_much(self):
        start = time.process_time()
        with pytest.raises(BoundsError, match="unfold to too many"):
            parse_yaml(DOUBLING)
        assert time.process_time() - start < 2

    def test_an_alias_of_what_it_stands_in(self):
        with pytest.raises(BoundsError, match="names nothing that ends before"):
            parse_yaml("a: &a [*a]")

    def test_size(self):
        with pytest.raises(BoundsError, match="larger than"):
            parse_yaml("x" * (LARGEST_TEXT + 1))

    @pytest.mark.parametrize("text", ["a: [", "!!python/name:os.getcwd", "a: 1\n---\nb: 2"])
    def test_errors_are_those_of_the_library(self, text):
        with pytest.raises(yaml.YAMLError):
            parse_yaml(text)

    @pytest.mark.parametrize("text", ["a: 2001-99-99", "a: " + "1" * 5000])
    def test_an_impossible_value_is_an_ordinary_error(self, text):
        with pytest.raises(ValueError, match=r"month|digits"):
            parse_yaml(text)
