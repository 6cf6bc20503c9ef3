"""What ``--vary`` takes, and what it answers to everything else."""

from __future__ import annotations

import math

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_sweep.space import combinations, configured, parse_axis


def test_a_range_of_numbers():
    axis = parse_axis("encoder.cutoff=4..8")
    assert (axis.key, axis.ends, axis.log) == ("encoder.cutoff", (4.0, 8.0), False)
    assert all(isinstance(end, float) for end in axis.ends)
    assert axis.size == math.inf


def test_a_range_of_whole_numbers():
    axis = parse_axis("encoder.width=4..8:int")
    assert axis.ends == (4, 8)
    assert all(isinstance(end, int) for end in axis.ends)
    assert axis.size == 5


def test_a_logarithmic_range():
    axis = parse_axis("training.learning_rate=1e-4..1e-2:log")
    assert (axis.low, axis.high, axis.log) == (1e-4, 1e-2, True)


def test_both_marks_stand_together():
    axis = parse_axis("encoder.width=8..256:log:int")
    assert axis.log
    assert axis.whole


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("encoder.elements=learnt,both", ("learnt", "both")),
        ("training.batch_size=16, 32", (16, 32)),
        ("head.hidden=[64],[64,32]", ([64], [64, 32])),
        ("encoder.max_neighbours=12,null", (12, None)),
    ],
)
def test_choices_are_read_as_values_of_set_are(text, values):
    assert parse_axis(text).ends == values


@pytest.mark.parametrize("text", ["encoder.cutoff=4..8", "a.b=1..9:log:int", "a.c=x,y"])
def test_an_axis_is_written_as_it_is_read(text):
    axis = parse_axis(text)
    assert parse_axis(f"{axis.key}={axis.text}") == axis


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("encoder.cutoff", "neither KEY=LOW..HIGH nor KEY=A,B"),
        ("=4..8", "neither KEY=LOW"),
        ("encoder.cutoff=", "neither KEY=LOW"),
        ("encoder.cutoff=8..4", "does not rise"),
        ("encoder.cutoff=4..4", "does not rise"),
        ("encoder.cutoff=4..inf", "from one number to another"),
        ("encoder.cutoff=a..b", "from one number to another"),
        ("encoder.cutoff=4..8:lin", "may end with ':log'"),
        ("encoder.cutoff=0..8:log", "does not begin above zero"),
        ("encoder.width=4..8.5:int", "takes whole numbers"),
        ("encoder.cutoff=5", "two or more different values"),
        ("encoder.cutoff=5,5", "two or more different values"),
        ("encoder.cutoff=[5,6", "not values separated by commas"),
    ],
)
def test_what_cannot_be_varied_is_one_sentence(text, problem):
    with pytest.raises(ConfigError) as caught:
        parse_axis(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_is_changed_and_stays_as_it_is():
    data = {"encoder": {"name": "net", "cutoff": 4}, "training": {"epochs": 3}}
    changed = configured(data, {"encoder.cutoff": 6.0, "training.epochs": 9})
    assert changed["encoder"] == {"name": "net", "cutoff": 6.0}
    assert changed["training"] == {"epochs": 9}
    assert data == {"encoder": {"name": "net", "cutoff": 4}, "training": {"epochs": 3}}


def test_combinations_are_counted():
    assert combinations([parse_axis("a.b=x,y,z"), parse_axis("a.c=1..4:int")]) == 12
