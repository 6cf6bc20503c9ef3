"""What is varied is looked up as ``--set`` is, before anything is trained."""

from __future__ import annotations

import pytest

from matsciml_cli.run_options import look_up
from matsciml_core.errors import ConfigError, UnknownNameError
from matsciml_core.registry.manager import build_registry
from matsciml_tool_sweep.metric import choose_metric
from matsciml_tool_sweep.request import Request, open_sweep, remarks


@pytest.fixture
def opened(plugin_folder, tmp_path):
    """A function that plans a sweep, without writing anything."""
    registry = build_registry(path=plugin_folder.search)

    def make(*vary, data=None, **changes):
        base = {"datasets": [{"name": "toy"}], "encoder": {"name": "net"}}
        request = Request(data={**base, **(data or {})}, vary=vary, output=tmp_path, **changes)
        sweep = open_sweep(request, registry, look_up)
        assert not list(tmp_path.glob("sweep-*"))
        return sweep

    return make


def test_a_range_of_a_setting_of_whole_numbers_is_whole(opened):
    width, cutoff = opened("encoder.width=8..32", "encoder.cutoff=4..8").axes
    assert width.whole
    assert not cutoff.whole


@pytest.mark.parametrize("key", ["training.batch_size", "training.seed", "training.max_atoms"])
def test_settings_of_the_training_know_their_type(opened, key):
    (axis,) = opened(f"{key}=8..32").axes
    assert axis.whole


@pytest.mark.parametrize(
    ("vary", "problem"),
    [
        ("encoder.cutof=4..8", "Did you mean 'cutoff'"),
        ("encoder.width=8.5..9", "takes whole numbers"),
        ("encoder.width=8,wide", "encoder.width"),
        ("training.lr=1e-4..1e-2", "learning_rate"),
        ("training.learning_rate=-1..1", "learning_rate"),
        ("training.schedule=cosine,sine", "schedule"),
        ("split.seed=0..3", "decides what a trial is validated on"),
        ("dataset.name=toy,other", "decides what a trial is validated on"),
        ("targets=gap,other", "decides what a trial is validated on"),
        ("output=a,b", "cannot be varied"),
        ("head.hiden=8..16", "is not a setting of a head"),
        ("cutoff=4..8", "cutoff"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(opened, vary, problem):
    with pytest.raises(ConfigError) as caught:
        opened(vary)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_encoder_that_does_not_exist_is_told(opened):
    with pytest.raises(UnknownNameError, match="'nett'"):
        opened("encoder=net,nett")


def test_without_anything_to_vary_it_says_how(opened):
    with pytest.raises(ConfigError, match="Nothing is varied; add --vary, for example encoder"):
        opened()


def test_a_setting_is_varied_once(opened):
    with pytest.raises(ConfigError, match=r"'encoder\.cutoff' is varied twice"):
        opened("encoder.cutoff=4..5", "encoder.cutoff=6..7")


def test_a_setting_is_not_both_given_and_varied(opened):
    with pytest.raises(ConfigError, match="both given a value and varied"):
        opened("encoder.cutoff=4..5", given=["encoder.cutoff"])


def test_the_folder_is_that_of_what_is_searched(opened):
    first = opened("encoder.cutoff=4..8").path
    assert first.name.startswith("sweep-toy-net-")
    assert opened("encoder.cutoff=4..8").path == first
    others = [
        opened("encoder.cutoff=4..9"),
        opened("encoder.cutoff=4..8", data={"training": {"seed": 1}}),
        opened("encoder.cutoff=4..8", metric="loss"),
        opened("encoder.cutoff=4..8", data={"training": {"epochs": 3}}),
    ]
    assert len({first, *(one.path for one in others)}) == 5
    assert opened("encoder.cutoff=4..8", data={"output": "elsewhere"}).path == first


def test_trials_are_compared_by_the_error_of_their_only_label(opened):
    metric = opened("encoder.cutoff=4..8").metric
    assert (metric.name, metric.unit, metric.larger_is_better) == ("mae", "eV", False)
    assert metric.title == "validation MAE (eV)"
    other = opened("encoder.cutoff=4..8", metric="toy/gap/r2").metric
    assert (other.unit, other.larger_is_better) == ("", True)


def test_several_labels_are_compared_by_the_loss(plugin_folder):
    registry = build_registry(path=plugin_folder.search)
    data = {"datasets": [{"name": "toy"}], "targets": ["gap", "other"]}
    assert choose_metric(None, data, registry).name == "loss"
    assert choose_metric(None, {**data, "targets": ["gap"]}, registry).name == "mae"


@pytest.mark.parametrize(("epochs", "patience"), [(50, 10), (3, 1), (None, 3)])
def test_every_trial_has_a_fifth_of_its_epochs(opened, epochs, patience):
    data = {"training": {"epochs": epochs}} if epochs else {}
    assert opened("encoder.cutoff=4..8", data=data).patience == patience


def test_trials_of_different_lengths_are_not_stopped_early(opened):
    sweep = opened("training.epochs=2..9")
    assert sweep.patience is None
    assert remarks(sweep) == [
        "No trial is stopped early: after the same epoch, trials of different lengths are not "
        "alike."
    ]
    assert opened("encoder.cutoff=4..8", pruning=False).patience is None
