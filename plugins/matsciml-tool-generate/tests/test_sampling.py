"""Sampling: the same crystals whether or not it was interrupted; guidance; rejected settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from matsciml_core import build_registry
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.generation import GuidanceConfig, SamplingConfig
from matsciml_core.progress import Meter, Progress
from matsciml_tool_generate import sampling
from matsciml_tool_generate.latent_properties import LatentProperties
from matsciml_tool_generate.reference import read_file
from matsciml_tool_generate.sampling import (
    GenerationSettings,
    generate_crystals,
    generative_head,
    read_rejected,
)

SETTINGS = GenerationSettings(
    number=10, batch_size=4, seed=3, sampling=SamplingConfig(levels=3, steps_per_level=2)
)
Make = Callable[..., Any]


def edges(path: Path) -> list[float]:
    crystals = [one.crystal for one in read_file(path, build_registry(only=[]))]
    return [(4 * one.volume) ** (1 / 3) for one in crystals if one is not None]


def stop_after(number: int) -> Callable[[Progress], None]:
    """Return a receiver of progress that interrupts after so many reports."""
    remaining = iter(range(number))

    def receive(progress: Progress) -> None:
        if next(remaining, None) is None:
            raise KeyboardInterrupt

    return receive


@pytest.fixture(autouse=True)
def _every_step_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(sampling, "Meter", partial(Meter, clock=lambda: float(next(ticks))))


class TestGeneration:
    def test_what_is_written(self, make_model: Make, tmp_path: Path) -> None:
        output = tmp_path / "new.extxyz"
        result = generate_crystals(make_model(), SETTINGS, output)
        assert result.written + sum(result.rejected.values()) == 10
        assert result.rejected == {"a coordinate became infinite or undefined while sampling": 1}
        found = read_file(output, build_registry(only=[]))
        assert len(found) == result.written
        assert len({one.name for one in found}) == len(found)
        assert read_rejected(output) == result.rejected
        summary = json.loads((tmp_path / "new.extxyz.json").read_text())
        assert summary["sampling"]["levels"] == 3
        assert summary["number"] == 10
        assert sorted(path.name for path in tmp_path.glob("new*")) == [
            "new.extxyz",
            "new.extxyz.json",
        ]

    def test_space_groups_are_counted(self, make_model: Make, tmp_path: Path) -> None:
        model = make_model()
        generative_head(model).space_groups = True  # type: ignore[misc]
        asked = SamplingConfig(levels=40, steps_per_level=1, space_group=225)
        result = generate_crystals(model, replace(SETTINGS, sampling=asked), tmp_path / "a.extxyz")
        found = read_file(tmp_path / "a.extxyz", build_registry(only=[]))
        numbers = [str(int(one.labels["space_group"])) for one in found]
        assert result.space_groups == Counter(numbers)
        assert sum(result.space_groups.values()) == result.written
        summary = json.loads((tmp_path / "a.extxyz.json").read_text())
        assert summary["space_groups"] == result.space_groups
        assert summary["sampling"]["space_group"] == 225

    def test_seeds(self, make_model: Make, tmp_path: Path) -> None:
        model = make_model()
        texts = []
        for seed in (3, 3, 4):
            generate_crystals(model, replace(SETTINGS, seed=seed), tmp_path / "a.extxyz")
            texts.append((tmp_path / "a.extxyz").read_text())
        assert texts[0] == texts[1]
        assert edges(tmp_path / "a.extxyz")
        assert texts[0] != texts[2]

    def test_progress_counts_steps_times_crystals(self, make_model: Make, tmp_path: Path) -> None:
        events: list[Progress] = []
        generate_crystals(make_model(), SETTINGS, tmp_path / "a.extxyz", report=events.append)
        assert (events[-1].done, events[-1].total) == (60, 60)
        assert [one.done for one in events] == sorted(one.done for one in events)

    @pytest.mark.parametrize("steps", [1, 3, 7, 12, 17])
    def test_resumes_where_it_was_stopped(
        self, steps: int, make_model: Make, tmp_path: Path
    ) -> None:
        model = make_model()
        generate_crystals(model, SETTINGS, tmp_path / "whole.extxyz")
        output = tmp_path / "parts.extxyz"
        calls = self.count_calls(model)
        with pytest.raises(KeyboardInterrupt):
            generate_crystals(model, SETTINGS, output, report=stop_after(steps))
        assert not output.exists()
        before = len(calls)
        generate_crystals(model, SETTINGS, output)
        assert output.read_text() == (tmp_path / "whole.extxyz").read_text()
        assert len(calls) - before <= 18 - 2 * ((steps - 1) // 2) + 2

    @staticmethod
    def count_calls(model: Any) -> list[int]:
        """List the Langevin steps that the head takes from now on."""
        head = generative_head(model)
        decode, steps = head.decode, []

        def counted(latents: Any, *, progress: Any, **settings: Any) -> Any:
            def note(done: int, total: int) -> None:
                steps.append(done)
                progress(done, total)

            return decode(latents, progress=note, **settings)

        head.decode = counted  # type: ignore[method-assign]
        return steps

    def test_other_settings_are_rejected(self, make_model: Make, tmp_path: Path) -> None:
        model, output = make_model(), tmp_path / "a.extxyz"
        with pytest.raises(KeyboardInterrupt):
            generate_crystals(model, SETTINGS, output, report=stop_after(8))
        other = replace(SETTINGS, seed=4)
        with pytest.raises(ConfigError, match="unfinished generation with another seed"):
            generate_crystals(model, other, output)
        generate_crystals(model, other, output, restart=True)
        assert output.is_file()

    def test_model_that_generates_no_crystals(self, make_model: Make, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="generates no crystals"):
            generate_crystals(make_model(generative=False), SETTINGS, tmp_path / "a.extxyz")

    def test_folder_that_cannot_be_written(self, make_model: Make, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="cannot be written"):
            generate_crystals(make_model(), SETTINGS, tmp_path / "file" / "a.extxyz")


class TestGuidance:
    guided = replace(
        SETTINGS,
        targets={"formation_energy_per_atom": 2.4},
        guidance=GuidanceConfig(steps=400, learning_rate=0.05),
    )

    def test_reaches_the_value(self, make_model: Make, tmp_path: Path) -> None:
        generate_crystals(make_model(), self.guided, tmp_path / "a.extxyz")
        # The property is twice the first latent number, which is the edge less 5 Å.
        np.testing.assert_allclose(edges(tmp_path / "a.extxyz"), 6.2, atol=1e-3)

    def test_resumes_where_it_was_stopped(self, make_model: Make, tmp_path: Path) -> None:
        model = make_model()
        generate_crystals(model, self.guided, tmp_path / "whole.extxyz")
        output = tmp_path / "parts.extxyz"
        with pytest.raises(KeyboardInterrupt):
            generate_crystals(model, self.guided, output, report=stop_after(403))
        generate_crystals(model, self.guided, output)
        assert output.read_text() == (tmp_path / "whole.extxyz").read_text()

    def test_unknown_property(self, make_model: Make, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be guided by 'formation_energy'"):
            generate_crystals(
                make_model(),
                replace(SETTINGS, targets={"formation_energy": 1.0}),
                tmp_path / "a.extxyz",
            )

    def test_latent_properties(self, make_model: Make) -> None:
        name = "formation_energy_per_atom"
        latents = torch.tensor([[1.0, 0, 0, 0], [2.5, 0, 0, 0]], requires_grad=True)
        found = LatentProperties(make_model(), (name,))(latents)[name]
        assert found.tolist() == [2.0, 5.0]
        (gradient,) = torch.autograd.grad(found.sum(), latents)
        assert gradient[:, 0].tolist() == [2.0, 2.0]
