"""The mixins: every check is a test, none can be lost silently, and failures say enough."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from matsciml_core.errors import ConfigError, UnknownNameError
from matsciml_core.testing import (
    CHECKS,
    DatasetContract,
    EncoderContract,
    StrategyContract,
    TaskHeadContract,
    examples,
)
from matsciml_core.testing.examples import ExampleEncoder, ExampleStrategy

MIXINS = (DatasetContract, EncoderContract, StrategyContract, TaskHeadContract)


class TestExampleDataset(DatasetContract):
    spec = examples.DATASET


class TestExampleEncoder(EncoderContract):
    spec = examples.ENCODER
    options = {"width": 8}


class TestExampleHead(TaskHeadContract):
    spec = examples.HEAD


class TestExampleStrategy(StrategyContract):
    spec = examples.STRATEGY


class Doubles(ExampleStrategy):
    def combine(self, losses):
        return 2 * super().combine(losses)


class TestKnownFailure(StrategyContract):
    spec = examples.STRATEGY
    component = Doubles

    @pytest.mark.xfail(reason="doubles the gradient on purpose")
    def test_single_task(self):
        super().test_single_task()


@pytest.mark.parametrize("mixin", MIXINS)
def test_every_check_is_a_test(mixin):
    tests = [name for name in dir(mixin) if name.startswith("test_")]
    expected = {f"test_{check.name.replace('-', '_')}" for check in CHECKS[mixin.kind]}
    assert set(tests) == expected == set(mixin.contract_tests)
    for check in CHECKS[mixin.kind]:
        test = getattr(mixin, f"test_{check.name.replace('-', '_')}")
        assert inspect.getdoc(test) == inspect.cleandoc(check.function.__doc__)


class TestOverriding:
    def test_it_needs_a_reason(self):
        with pytest.raises(TypeError, match=r"Mine\.test_rotation replaces a test of the encoder"):

            class Mine(EncoderContract):
                def test_rotation(self):
                    pass

    def test_an_empty_reason_is_none(self):
        with pytest.raises(TypeError, match=r"xfail\(reason=...\)"):

            class Mine(EncoderContract):
                @pytest.mark.xfail(reason="")
                def test_rotation(self):
                    super().test_rotation()

    def test_removing_a_test_is_overriding_it(self):
        with pytest.raises(TypeError, match="test_supercell"):

            class Mine(EncoderContract):
                test_supercell = None

    def test_a_second_base_overrides_too(self):
        class Quiet:
            def test_supercell(self):
                pass

        with pytest.raises(TypeError, match=r"Mine\.test_supercell"):

            class Mine(Quiet, EncoderContract):
                pass

    def test_skipping_is_no_reason(self):
        with pytest.raises(TypeError, match="test_reflection"):

            class Mine(EncoderContract):
                @pytest.mark.skip(reason="slow")
                def test_reflection(self):
                    super().test_reflection()

    def test_a_reason_is_inherited(self):
        class Mine(TestKnownFailure):
            __test__ = False

        assert issubclass(Mine, StrategyContract)

    def test_tests_of_ones_own_are_free(self):
        class Mine(EncoderContract):
            def test_something_else(self):
                return 1

        assert Mine().test_something_else() == 1


class TestFailures:
    def failure(self, contract, name):
        with pytest.raises(pytest.fail.Exception) as caught:
            getattr(contract(), name)()
        return str(caught.value)

    def test_a_failure_says_promise_numbers_and_where_to_read(self):
        class Mine(StrategyContract):
            spec = examples.STRATEGY
            component = Doubles

        assert self.failure(Mine, "test_single_task").splitlines() == [
            "Broken promise (strategy / single-task): One task alone receives its plain gradient.",
            "  found:     The largest relative difference between the gradients is 1, allowed is "
            "≤ 1e-09.",
            "  measured:  1",
            "  tolerance: ≤ 1e-09",
            "  read on:   docs/reference/conformance.md#strategy-single-task",
        ]

    def test_a_failure_without_a_number_says_so(self):
        class Mine(EncoderContract):
            spec = examples.ENCODER
            component = ReplacesAField

        message = self.failure(Mine, "test_batch_untouched")
        assert "'atomic_numbers' of the batch was replaced." in message
        assert "measured:  no number" in message

    def test_a_promise_that_is_not_made_is_a_skip(self):
        capabilities = replace(examples.ENCODER.capabilities, symmetry="SE(3)")

        class Mine(EncoderContract):
            spec = replace(examples.ENCODER, capabilities=capabilities)

        with pytest.raises(pytest.skip.Exception, match=r"declares the symmetry SE\(3\)"):
            Mine().test_reflection()

    def test_a_warning_passes_and_is_printed(self, capsys):
        class Mine(EncoderContract):
            spec = examples.ENCODER
            component = UnusedLayer

        Mine().test_every_parameter_trains()
        assert "To look at: Unused parameters: more.weight" in capsys.readouterr().out


class UnusedLayer(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.more = torch.nn.Linear(2, 2)


class ReplacesAField(ExampleEncoder):
    def forward(self, batch):
        batch.atomic_numbers = batch.atomic_numbers.clone()
        return super().forward(batch)


class TestFindingTheComponent:
    def test_nothing_named(self):
        class Mine(EncoderContract):
            pass

        with pytest.raises(ConfigError, match="Mine does not say what to test; set spec_name"):
            Mine.subject()

    def test_an_unknown_name(self):
        class Mine(EncoderContract):
            spec_name = "no-such-encoder"

        with pytest.raises(UnknownNameError, match="no-such-encoder"):
            Mine.subject()

    def test_wrong_options(self):
        class Mine(EncoderContract):
            spec = examples.ENCODER
            options = {"widht": 8}

        with pytest.raises(ConfigError, match="Did you mean 'width'"):
            Mine.subject()

    def test_it_is_loaded_once_per_class(self):
        class Mine(EncoderContract):
            spec = examples.ENCODER

        class Other(Mine):
            options = {"width": 4}

        assert Mine.subject() is Mine.subject()
        assert Other.subject() is not Mine.subject()
        assert Other.subject().config.width == 4


class TestPlugin:
    def test_the_fixtures_are_there(self, registry, crystals):
        assert registry.specs("encoder") == registry.specs("encoder")
        assert crystals["Fe"].num_atoms == 1
        assert set(crystals) == {"NaCl", "Fe", "triclinic", "Mg"}

    @pytest.mark.parametrize("time", range(2))
    def test_seeded_random_numbers_repeat(self, seeded, time):
        assert torch.rand(()).item() == pytest.approx(FIRST_NUMBER)

    def test_pytest_itself_stays_light(self):
        code = (
            "import sys, matsciml_core.testing.pytest_plugin as plugin\n"
            "heavy = {'torch', 'numpy', 'pydantic', 'pymatgen'} & set(sys.modules)\n"
            "print(sorted(heavy))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == "[]"


FIRST_NUMBER = torch.rand((), generator=torch.Generator().manual_seed(20231)).item()
