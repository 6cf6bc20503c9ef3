"""No setting vanishes, none is read as another, and what a run used is written out."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from pydantic import PositiveFloat

from matsciml_core import train
from matsciml_core.errors import ConfigError, TrainingError
from matsciml_core.interfaces.config import Config
from matsciml_core.training.config import TrainingConfig, build_config, normalise
from matsciml_core.training.config_data import merge, parse_overrides, read_config_file
from matsciml_core.training.epoch_means import EpochMeans

PLAIN = {"dataset": "example", "encoder": "example", "strategy": "example"}


@pytest.fixture
def fit(registry, tmp_path):
    def run(config=None, **options):
        options = {"output": tmp_path / "runs"} | options
        if config is None:
            options = PLAIN | {"epochs": 1, "batch_size": 16, "device": "cpu"} | options
        return train(config, registry=registry, quiet=True, **options)

    return run


class TestKeys:
    @pytest.mark.parametrize(
        "text",
        [
            "dataset: a\ndataset: b",
            "training: {epochs: 1, epochs: 2}",
            "training:\n  epochs: 1\n  epochs: 2",
            "head:\n  deep:\n    width: 1\n    'width': 1",
        ],
    )
    def test_that_stand_twice_are_refused(self, tmp_path, text):
        file = tmp_path / "config.yaml"
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"line \d+, column \d+: the key '\w+' stands twice"):
            read_config_file(file)
        with pytest.raises(ConfigError, match="is not valid YAML"):
            parse_overrides(["training={epochs: 1, epochs: 2}"])

    def test_that_are_merged_in_may_be_set_again(self, tmp_path):
        file = tmp_path / "config.yaml"
        file.write_text("head: &one {a: 1, b: 2}\ntraining: {<<: *one, b: 3}")
        assert read_config_file(file)["training"] == {"a": 1, "b": 3}

    @pytest.mark.parametrize("key", ["trainning", "epochs", "learning_rate"])
    def test_that_are_unknown_are_refused_without_a_value_too(self, key):
        with pytest.raises(ConfigError, match=f"'{key}' is"):
            build_config({**PLAIN, key: None})

    @pytest.mark.parametrize("key", ["target", "targets", "training", "output"])
    def test_that_are_known_may_be_empty(self, key):
        assert key not in normalise({**PLAIN, key: None})

    def test_of_sections_do_not_replace_plain_values(self):
        with pytest.raises(ConfigError, match="'training' is 5 and has settings of its own"):
            merge({"training": 5}, {"training": {"epochs": 3}})
        with pytest.raises(ConfigError, match="'encoder' is 'egnn'"):
            parse_overrides(["encoder=egnn", "encoder.cutoff=5"])


class Mixed(Config):
    """Settings of several types."""

    count: int = 1
    share: PositiveFloat | None = None
    widths: tuple[int, ...] = ()
    flag: bool = False
    either: bool | int = 0


class TestValues:
    @pytest.mark.parametrize(
        ("key", "value"),
        [("count", True), ("share", False), ("widths", [8, True]), ("count", False)],
    )
    def test_of_truth_are_no_numbers(self, key, value):
        with pytest.raises(ConfigError, match=rf"'mixed\.{key}' is .* takes no truth value"):
            Mixed.from_options({key: value}, where="mixed")

    def test_of_truth_are_taken_where_they_are_meant(self):
        read = Mixed.from_options({"flag": True, "either": True}, where="mixed")
        assert read.flag is True
        assert read.either is True

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "inf", "nan"])
    def test_that_are_not_finite_are_refused(self, value):
        with pytest.raises(ConfigError, match=r"'mixed\.share' is"):
            Mixed.from_options({"share": value}, where="mixed")
        with pytest.raises(ConfigError, match=r"training\.learning_rate"):
            TrainingConfig.from_options({"learning_rate": value}, where="training")


class TestWrittenOut:
    def test_labels_heads_and_splits_are(self, fit):
        first = fit()
        config = yaml.safe_load((first.folder / "config.yaml").read_text())
        assert config["targets"] == ["example/energy"]
        assert config["split"]["name"] == first.run.datasets[0].dataset.split_names[0]
        task = first.run.tasks[0]
        assert config["head"]["name"] == task.head_name
        settings = {} if task.head.config is None else task.head.config.model_dump(mode="json")
        assert config["head"][task.head_name] == settings

    def test_what_is_written_repeats_the_run(self, fit):
        first = fit()
        again = fit(first.folder / "config.yaml")
        assert again.metrics == first.metrics
        configs = [(one.folder / "config.yaml").read_bytes() for one in (first, again)]
        assert configs[0] == configs[1]


class TestNothingLearnt:
    def test_a_model_that_was_never_finite_is_none(self, fit, monkeypatch, tmp_path):
        original = EpochMeans.add

        def spoil(means, name, value, weight):
            if name == "validation/loss":
                value = torch.full_like(value, math.nan)
            original(means, name, value, weight)

        monkeypatch.setattr(EpochMeans, "add", spoil)
        with pytest.raises(TrainingError, match="not a finite number in any of 2 epochs"):
            fit(epochs=2)
        folder = (tmp_path / "runs" / "latest").resolve()
        assert not (folder / "model.safetensors").exists()
        assert not (folder / "run.json").exists()

    def test_a_cutoff_below_every_distance_is_said(self, fit):
        with pytest.raises(TrainingError, match=r"has a neighbour within the cutoff of 0\.1 Å"):
            fit(encoder={"name": "example", "cutoff": 0.1})
