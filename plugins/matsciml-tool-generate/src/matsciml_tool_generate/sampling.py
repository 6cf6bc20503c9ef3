"""Drawing crystals from a trained model: in batches, resumable, guided where wanted."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import write_json
from matsciml_core.interfaces.generation import (
    GeneratedCrystal,
    GenerativeHead,
    GuidanceConfig,
    SamplingConfig,
    SamplingState,
)
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.extxyz import write_crystal

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

SCHEMA = 1
_SEED_STEP = 1_000_003
"""Between the seeds of two batches, so that the batches of neighbouring seeds differ."""


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """What is to be drawn. Resuming asks for the same again."""

    number: int
    """Crystals to draw."""
    batch_size: int = 64
    """Crystals that are drawn together."""
    seed: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    targets: Mapping[str, float] = field(default_factory=dict)
    """Properties that are wanted: label → value in its unit; empty: no guidance."""

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return -(-self.number // self.batch_size)

    def size(self, batch: int) -> int:
        """Return the crystals of a batch."""
        return min(self.batch_size, self.number - batch * self.batch_size)

    def as_data(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {
            "number": self.number,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "sampling": self.sampling.model_dump(mode="json"),
            "guidance": self.guidance.model_dump(mode="json") if self.targets else None,
            "targets": dict(self.targets),
        }


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """What was drawn."""

    path: Path
    """Extended XYZ."""
    written: int
    """Crystals in it."""
    rejected: Mapping[str, int]
    """Crystals that the sampler gave up, by reason."""


def summary_of(output: Path) -> Path:
    """Return where settings and counts of a file of generated crystals are kept."""
    return output.with_name(f"{output.name}.json")


def read_rejected(output: Path) -> dict[str, int]:
    """Return how many crystals were given up while a file was drawn; none where nobody knows."""
    try:
        data = json.loads(summary_of(output).read_text(encoding="utf-8"))
        return {str(reason): int(count) for reason, count in data["rejected"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def generative_head(model: TrainedModel) -> GenerativeHead:
    """Return the head of a model that makes crystals.

    Raises:
        ConfigError: It has none.
    """
    for task in model.tasks:
        if isinstance(task.head, GenerativeHead):
            return task.head
    raise ConfigError(
        f"The model in '{model.folder}' predicts {', '.join(model.targets) or 'no label'} and "
        "makes no crystals; name a run that was trained with --target structure."
    )


def generate_crystals(
    model: TrainedModel,
    settings: GenerationSettings,
    output: Path,
    *,
    restart: bool = False,
    report: Report = silent,
) -> GenerationResult:
    """Draw crystals and write them to a file.

    A process that is stopped or killed leaves a folder ``<output>.drawing`` behind: the batches
    that are done, and the state of the one that is not, saved after every noise level. The next
    call with the same model and settings goes on there, and the file is the same, byte for byte,
    as if nothing had happened.

    Args:
        model: A model with a generative head.
        settings: What is to be drawn.
        output: The extended XYZ file. Settings and counts go into ``<output>.json``.
        restart: Whether to throw away what an interrupted call left behind.
        report: Receives progress: Langevin steps times crystals.

    Returns:
        What was drawn.

    Raises:
        ConfigError: The model makes no crystals, or does not predict a property that is wanted;
            or an interrupted call had other settings.
        DataError: What an interrupted call left behind is damaged.
    """
    head = generative_head(model)
    objective = _objective(model, settings.targets) if settings.targets else None
    folder = output.with_name(f"{output.name}.drawing")
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    _claim(folder, {"model": model.fingerprint, **settings.as_data()}, output)
    _Sampler(head, settings, folder, objective, report).draw()
    drawn = _join(folder, output, settings)
    record = {"schema": SCHEMA, "model": str(model.folder), **settings.as_data()}
    write_json(
        summary_of(output),
        {**record, "written": drawn.written, "rejected": dict(drawn.rejected)},
    )
    shutil.rmtree(folder)
    return drawn


class _Sampler:
    """Draws batch after batch, and keeps what is done."""

    def __init__(
        self,
        head: GenerativeHead,
        settings: GenerationSettings,
        folder: Path,
        objective: Callable[[Tensor], Tensor] | None,
        report: Report,
    ) -> None:
        self.head, self.settings, self.folder = head, settings, folder
        self.objective, self.report = objective, report
        self._meter: Meter | None = None

    def draw(self) -> None:
        """Draw what is missing."""
        for batch in range(self.settings.batches):
            if not (self.folder / f"{batch:06d}.json").is_file():
                self._draw_batch(batch)
        if self._meter is not None:
            self._meter.finish()

    def _draw_batch(self, batch: int) -> None:
        seed = (self.settings.seed + batch * _SEED_STEP) % 2**63
        generator = torch.Generator().manual_seed(seed)
        state_file = self.folder / f"{batch:06d}.safetensors"
        size = self.settings.size(batch)
        latents = self.head.sample_latents(size, generator=generator)
        if self.objective is not None:
            latents = self._guided(latents, batch)
        found = self.head.decode(
            latents,
            sampling=self.settings.sampling,
            generator=generator,
            progress=self._counter(batch),
            checkpoint=lambda state: state.save(state_file),
            state=SamplingState.load(state_file) if state_file.is_file() else None,
        )
        self._keep(batch, found)
        state_file.unlink(missing_ok=True)

    def _guided(self, latents: Tensor, batch: int) -> Tensor:
        """Move latent vectors towards the wanted properties; done once, and kept."""
        from safetensors.torch import load_file, save_file  # noqa: PLC0415 - only here

        kept = self.folder / f"{batch:06d}.latents"
        if not kept.is_file():
            meter = Meter("guiding", self.report, unit="steps", total=self.settings.guidance.steps)
            moved = self.head.guide(
                latents,
                self.objective,  # type: ignore[arg-type] # only called where there is one
                settings=self.settings.guidance,
                progress=lambda done, total: meter.add(done - meter.done),
            )
            meter.finish()
            part = kept.with_suffix(".part")
            save_file({"latents": moved.cpu().contiguous()}, part)
            part.replace(kept)
        return load_file(kept)["latents"].to(latents.device, latents.dtype)

    def _counter(self, batch: int) -> Callable[[int, int], None]:
        """Return what is told of each step of a batch, and counts over all batches."""
        size = self.settings.size(batch)
        before = batch * self.settings.batch_size

        def count(done: int, total: int) -> None:
            place = before * total + done * size
            if self._meter is None:
                start = place - size  # what an earlier call did does not count as fast
                whole = self.settings.number * total
                self._meter = Meter(
                    "drawing", self.report, unit="steps", total=whole, done=max(start, 0)
                )
            self._meter.add(place - self._meter.done)

        return count

    def _keep(self, batch: int, found: Sequence[GeneratedCrystal]) -> None:
        """Write a batch; its counts come last, since they say that it is whole."""
        path = self.folder / f"{batch:06d}.extxyz"
        first = batch * self.settings.batch_size
        rejected = Counter(str(one.rejected) for one in found if one.crystal is None)
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as stream:
            for place, one in enumerate(found):
                if one.crystal is not None:
                    named = _renamed(one, f"generated-{first + place:06d}")
                    write_crystal(stream, named, {"seed": str(self.settings.seed)})
        part.replace(path)
        written = sum(one.crystal is not None for one in found)
        write_json(
            self.folder / f"{batch:06d}.json", {"written": written, "rejected": dict(rejected)}
        )


def _renamed(one: GeneratedCrystal, name: str) -> Any:
    from dataclasses import replace  # noqa: PLC0415 - shadows nothing

    return replace(one.crystal, id=name) if one.crystal is not None else None


def _claim(folder: Path, settings: Mapping[str, Any], output: Path) -> None:
    """Make the folder of an unfinished drawing, or see that it is of the same one."""
    if output.is_dir():
        raise ConfigError(f"'{output}' is a folder; name a file to write as --output.")
    record = folder / "settings.json"
    if record.is_file():
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(
                f"'{record}' is damaged; give --restart to begin '{output}' anew."
            ) from error
        if before != json.loads(json.dumps(settings)):
            changed = [key for key in settings if settings[key] != before.get(key)]
            raise ConfigError(
                f"'{folder}' holds an unfinished drawing with another {' and '.join(changed)}; "
                "give the same again to go on with it, or --restart to begin anew."
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(record, settings)
    except OSError as error:
        raise ConfigError(
            f"'{folder}' cannot be written ({error.strerror}); name another --output."
        ) from error


def _join(folder: Path, output: Path, settings: GenerationSettings) -> GenerationResult:
    """Put the batches into one file."""
    rejected: Counter[str] = Counter()
    written = 0
    part = output.with_name(f"{output.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        for batch in range(settings.batches):
            counts = json.loads((folder / f"{batch:06d}.json").read_text(encoding="utf-8"))
            rejected.update(counts["rejected"])
            written += counts["written"]
            stream.write((folder / f"{batch:06d}.extxyz").read_text(encoding="utf-8"))
    part.replace(output)
    return GenerationResult(path=output, written=written, rejected=dict(rejected))


def _objective(model: TrainedModel, targets: Mapping[str, float]) -> Callable[[Tensor], Tensor]:
    """Return how far properties are from what is wanted, for points of the latent space.

    The property heads of the same run read the points as if an encoder had said them. Several
    properties are added, each in units of the square of its wanted value's unit.
    """
    from matsciml_tool_generate.latent_properties import LatentProperties  # noqa: PLC0415

    properties = LatentProperties(model, tuple(targets))

    def objective(latents: Tensor) -> Tensor:
        found = properties(latents)
        return torch.stack([(found[name] - value) ** 2 for name, value in targets.items()]).sum(0)

    return objective
