"""How much of a model learns that a run starts from, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from matsciml_core.errors import ConfigError
from matsciml_core.model.storage import save_model
from matsciml_core.testing.examples import ExampleEncoder, ExampleStrategy
from matsciml_core.training.config import build_config
from matsciml_core.training.initial import describe_init, describe_training, freeze, seen_before

BASIC = {"dataset": "example", "encoder": "example"}


def config(**training):
    return build_config({**BASIC, "init": {"model": "runs/old"}, **training})


def learning(encoder):
    return {name for name, one in encoder.named_parameters() if one.requires_grad}


class LastKnown(ExampleEncoder):
    last_layers = ("update",)


@pytest.mark.parametrize(
    ("train", "expected"),
    [("last", {"update.weight", "update.bias"}), ("heads", set())],
)
def test_what_stays_as_it_is(train, expected):
    encoder = LastKnown()
    freeze(config(init={"model": "m", "train": train}), encoder, ExampleStrategy())
    assert learning(encoder) == expected


def test_everything_learns_unless_asked():
    encoder = LastKnown()
    freeze(config(), encoder, ExampleStrategy())
    assert learning(encoder) == {name for name, _ in encoder.named_parameters()}


def test_last_layers_must_be_known():
    with pytest.raises(ConfigError, match="does not say which of its layers are the last"):
        freeze(config(init={"model": "m", "train": "last"}), ExampleEncoder(), ExampleStrategy())


def test_it_is_said_in_words():
    encoder = LastKnown()
    settings = config(init={"model": "m", "train": "last"}, training={"encoder_rate": 0.1})
    freeze(settings, encoder, ExampleStrategy())
    head = nn.Linear(3, 1)
    run = SimpleNamespace(config=settings, encoder=encoder, tasks=[SimpleNamespace(head=head)])
    total = sum(one.numel() for one in [*encoder.parameters(), *head.parameters()])
    last = sum(one.numel() for one in [*encoder.update.parameters(), *head.parameters()])
    assert describe_training(run) == (
        f"start: m; {total:,} parameters, of which {last:,} train, the encoder's at 0.1 times the "
        "learning rate"
    )


class TestSeenBefore:
    """Datasets whose crystals were among the training data of a pretrained model."""

    def run(self, tmp_path, **extra):
        encoder = ExampleEncoder()
        save_model(tmp_path, "example", encoder, [], extra)
        settings = config(init={"model": str(tmp_path)})
        datasets = [SimpleNamespace(name="salts"), SimpleNamespace(name="mine")]
        return SimpleNamespace(config=settings, encoder=encoder, tasks=[], datasets=datasets)

    @pytest.mark.parametrize("key", ["pretrained", "ancestor"])
    def test_are_told(self, tmp_path, key):
        record = {"name": "ready", "trained_on": "Salts", "seen": ["salts", "oxides"]}
        run = self.run(tmp_path, **{key: record})
        assert describe_init(run)["seen"] == ["salts"]
        (sentence,) = seen_before(describe_init(run))
        assert sentence.startswith("salts: the pretrained model 'ready' has seen most of these")

    def test_are_none_of_a_model_that_a_run_trained(self, tmp_path):
        run = self.run(tmp_path)
        assert "seen" not in describe_init(run)
        assert seen_before(describe_init(run)) == []
