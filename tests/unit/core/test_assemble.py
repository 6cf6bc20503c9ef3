"""How a run's parts are chosen when the user leaves them open, and what is refused."""

import pytest

from matsciml_core import StrategySpec, TargetInfo, TaskHeadSpec
from matsciml_core.errors import ConfigError
from matsciml_core.training.assemble import component_config, head_spec

GAP = TargetInfo(name="band_gap", kind="scalar", unit="eV")
STABLE = TargetInfo(name="is_stable", kind="binary", unit="class")


def head(name, *, kinds=("scalar",), default=False):
    target = "toy.head:Head"
    return TaskHeadSpec(
        name=name, summary="A head.", target=target, target_kinds=kinds, default=default
    )


class Heads:
    """A registry that knows heads only."""

    def __init__(self, *specs):
        self.known = {spec.name: spec for spec in specs}

    def specs(self, kind):
        assert kind == "task-head"
        return list(self.known.values())

    def get(self, kind, name):
        assert kind == "task-head"
        return self.known[name]


class TestHeadSpec:
    def test_the_default_head_wins_whatever_else_is_installed(self):
        registry = Heads(head("aardvark"), head("regression", default=True))
        assert head_spec(registry, None, GAP).name == "regression"

    def test_the_only_able_head_needs_no_default(self):
        registry = Heads(head("stability", kinds=("binary",)), head("quantile"))
        assert head_spec(registry, None, GAP).name == "quantile"

    def test_a_named_head_is_taken(self):
        registry = Heads(head("quantile"), head("regression", default=True))
        assert head_spec(registry, "quantile", GAP).name == "quantile"

    def test_several_able_heads_without_a_default_are_a_question(self):
        with pytest.raises(ConfigError, match=r"quantile, ranking.*head\.name"):
            head_spec(Heads(head("quantile"), head("ranking")), None, GAP)

    def test_a_named_head_that_cannot_train_the_label_is_refused(self):
        with pytest.raises(ConfigError, match=r"'regression' trains scalar labels.*is binary"):
            head_spec(Heads(head("regression")), "regression", STABLE)

    def test_no_able_head(self):
        with pytest.raises(ConfigError, match="No installed head trains binary labels"):
            head_spec(Heads(head("regression")), None, STABLE)


def test_a_component_without_settings_takes_none():
    spec = StrategySpec(name="plain", summary="Plain.", target="toy.strategy:Plain")
    assert component_config(spec, {}, "strategy") is None
    with pytest.raises(ConfigError, match=r"'plain' has no settings.*strategy\.weight"):
        component_config(spec, {"weight": 2}, "strategy")
