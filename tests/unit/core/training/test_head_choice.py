"""Which head a label gets when the user leaves it open, and what is refused."""

import pytest

from matsciml_core import TargetInfo, TaskHeadSpec
from matsciml_core.errors import ConfigError
from matsciml_core.training.head_choice import group_labels, head_options, head_spec

GAP = TargetInfo(name="band_gap", kind="scalar", unit="eV")
STABLE = TargetInfo(name="is_stable", kind="binary", unit="class")
ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
RELAXED = TargetInfo(name="energy_relaxed", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)


def head(name, *, kinds=("scalar",), default=False, closed_form=False):
    class_path = "toy.head:Head"
    return TaskHeadSpec(
        name=name,
        summary="A head.",
        class_path=class_path,
        target_kinds=kinds,
        default=default,
        closed_form=closed_form,
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

    @pytest.mark.parametrize(("closed_form", "way"), [(True, "by gradient steps"), (False, "form")])
    def test_heads_that_are_there_and_learn_in_another_way_are_named(self, closed_form, way):
        registry = Heads(head("potential", kinds=("energy",), closed_form=not closed_form))
        with pytest.raises(ConfigError, match=rf"{way} \(potential\).* another encoder"):
            head_spec(registry, None, ENERGY, closed_form=closed_form)


class TestGroups:
    def joint(self, *, together=True):
        return TaskHeadSpec(
            name="potential",
            summary="Energy and forces.",
            class_path="toy.head:Head",
            target_kinds=("energy", "forces"),
            joint=together,
        )

    def names(self, registry, *infos):
        groups = group_labels(registry, None, infos)
        return [(spec.name, [info.name for info in members]) for spec, members in groups]

    def test_an_energy_and_its_forces_are_one_task(self):
        registry = Heads(self.joint(), head("regression"))
        expected = [("potential", ["energy", "forces"]), ("regression", ["band_gap"])]
        assert self.names(registry, ENERGY, GAP, FORCES) == expected

    def test_the_order_of_the_kinds_is_the_heads_own(self):
        assert self.names(Heads(self.joint()), FORCES, ENERGY) == [
            ("potential", ["energy", "forces"])
        ]

    def test_two_energies_are_two_tasks_and_the_first_gets_the_forces(self):
        assert self.names(Heads(self.joint()), ENERGY, RELAXED, FORCES) == [
            ("potential", ["energy", "forces"]),
            ("potential", ["energy_relaxed"]),
        ]

    def test_other_heads_take_one_label_each(self):
        assert self.names(Heads(self.joint(together=False)), ENERGY, FORCES) == [
            ("potential", ["energy"]),
            ("potential", ["forces"]),
        ]


class TestHeadOptions:
    example = TaskHeadSpec(
        name="one",
        summary="A head.",
        class_path="toy.head:Head",
        config="matsciml_core.testing.example_settings:ExampleEncoderConfig",
        target_kinds=("scalar",),
    )
    bare = head("two")
    heads = {"one": example, "two": bare}

    def test_a_setting_reaches_every_head_that_has_it(self):
        assert head_options({"width": 3, "name": "one"}, self.example, self.heads) == {"width": 3}
        assert head_options({"width": 3}, self.bare, self.heads) == {}

    def test_under_a_heads_name_it_reaches_that_head_and_wins(self):
        settings = {"width": 3, "one": {"width": 5}}
        assert head_options(settings, self.example, self.heads) == {"width": 5}
        assert head_options(settings, self.bare, self.heads) == {}

    def test_what_no_head_has_is_handed_on_to_be_refused(self):
        assert head_options({"widht": 3}, self.bare, self.heads) == {"widht": 3}
