"""Sampling crystals from a trained model: in batches, resumable, guided towards properties."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from matsciml_core.data.readers import read
from matsciml_core.data.readers.extxyz import write_frame
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import open_whole_text, replacing, write_json
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.interfaces.generation import (
    Composition,
    GeneratedCrystal,
    GenerativeHead,
    GuidanceConfig,
    SamplingConfig,
    SamplingState,
)
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.latent_properties import LatentObjective
from matsciml_tool_generate.prescribed import Prescription
from matsciml_tool_generate.structures import ParsedStructure

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel
    from matsciml_tool_generate.relaxing import CrystalRelaxer, RelaxationSummary

SCHEMA = 1
SYMMETRY_TOLERANCE = 0.01
"""Å, to which the space group of generated crystals is determined."""
_SEED_STRIDE = 1_000_003
"""Between the seeds of two batches, so that the batches of neighbouring seeds differ."""


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """Settings of a generation. It can be resumed with the same settings only."""

    number: int
    """Crystals to generate."""
    batch_size: int = 64
    """Crystals that are sampled together."""
    seed: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    targets: Mapping[str, float] = field(default_factory=dict)
    """Properties to guide towards: label → value in its unit; empty: no guidance."""
    formula: Mapping[int, int] | None = None
    """Atoms of a formula unit, by atomic number, of which each cell has one or more; None: the
    composition is sampled, too."""

    @property
    def num_batches(self) -> int:
        """Number of batches."""
        return -(-self.number // self.batch_size)  # rounded up

    def size(self, batch: int) -> int:
        """Return the number of crystals of a batch."""
        return min(self.batch_size, self.number - batch * self.batch_size)

    def as_data(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {
            "number": self.number,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "sampling": self.sampling.model_dump(mode="json"),
            # Without a target it changes nothing, so that it may differ where a call resumes.
            "guidance": self.guidance.model_dump(mode="json") if self.targets else None,
            "targets": dict(self.targets),
            "formula": None
            if self.formula is None
            else {symbol(number): count for number, count in sorted(self.formula.items())},
        }


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """Result of a generation."""

    path: Path
    """Extended XYZ."""
    written: int
    """Crystals in it."""
    rejected: Mapping[str, int]
    """Latent vectors of which no crystal came, by reason."""
    space_groups: Mapping[str, int] = field(default_factory=dict)
    """Crystals by the number of the space group that was found, ``0`` where there is none; empty
    where none was prescribed."""
    relaxation: RelaxationSummary | None = None
    """Where they end when they are relaxed; None: they were not."""


def summary_path(output: Path) -> Path:
    """Return the file with settings and counts of a file of generated crystals."""
    return output.with_name(f"{output.name}.json")


def read_rejected(output: Path) -> dict[str, int]:
    """Return how many crystals were rejected while a file was generated, by reason.

    Files of other programs have no summary: none of theirs counts as rejected.
    """
    try:
        data = read_json(summary_path(output))
        return {str(reason): int(count) for reason, count in data["rejected"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def generative_head(model: TrainedModel) -> GenerativeHead:
    """Return the generative head of a model.

    Raises:
        ConfigError: It has none.
    """
    for task in model.tasks:  # a model has at most one: a structure is one label
        if isinstance(task.head, GenerativeHead):
            return task.head
    raise ConfigError(
        f"The model in '{model.folder}' predicts {', '.join(model.targets) or 'no label'} and "
        "generates no crystals; name a run that was trained with --target structure."
    )


def generate_crystals(
    model: TrainedModel,
    settings: GenerationSettings,
    output: Path,
    *,
    relaxer: CrystalRelaxer | None = None,
    restart: bool = False,
    report: Report = silent,
) -> GenerationResult:
    """Sample crystals and write them to a file.

    A process that is stopped or killed leaves a folder ``<output>.partial`` behind: the batches
    that are done, and the state of the one that is not, saved after every noise level. The next
    call with the same model and settings resumes there, and the file is the same, byte for byte,
    as if nothing had happened.

    Args:
        model: A model with a generative head.
        settings: Settings.
        output: The extended XYZ file. Settings and counts go into ``<output>.json``.
        relaxer: Relaxes the crystals into ``<output>-relaxed``; None: they stay as they are.
        restart: Whether to throw away what an interrupted call left behind.
        report: Receives progress: Langevin steps times crystals.

    Returns:
        The file and its counts.

    Raises:
        ConfigError: The model generates no crystals, does not predict a property of the targets,
            or cannot generate the formula or the space group; or an interrupted call had other
            settings.
        DataError: What an interrupted call left behind is damaged.
    """
    head = generative_head(model)
    objective = LatentObjective(model, settings.targets) if settings.targets else None
    formula, space_group = settings.formula, settings.sampling.space_group
    prescription = (
        None
        if formula is None and space_group is None
        else Prescription(model, head, formula, space_group)
    )
    folder = output.with_name(f"{output.name}.partial")
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    unfinished = {"model": model.fingerprint, **settings.as_data()}
    if relaxer is not None:
        unfinished["relax"] = relaxer.as_data()
    _open_partial(folder, unfinished, output)
    _Sampler(head, settings, folder, objective, prescription, report).run()
    rejected: Counter[str] = Counter()
    space_groups: Counter[str] = Counter()
    written = 0
    relaxation = None
    if relaxer is not None:
        relaxation = _relax(relaxer, settings, folder, output, report)
    # The crystals first: a summary beside a missing file would be counted as its rejections.
    with open_whole_text(output) as stream:
        for batch in range(settings.num_batches):
            counts = read_json(folder / f"{batch:06d}.json")
            rejected.update(counts["rejected"])
            space_groups.update(counts["space_groups"])
            written += counts["written"]
            stream.write((folder / f"{batch:06d}.extxyz").read_text(encoding="utf-8"))
    record = {"schema": SCHEMA, "model": str(model.folder), **settings.as_data()}
    counts = {"rejected": dict(rejected), "space_groups": dict(space_groups)}
    write_json(summary_path(output), {**record, "written": written, **counts})
    shutil.rmtree(folder)
    return GenerationResult(path=output, written=written, relaxation=relaxation, **counts)


def relaxed_path(output: Path) -> Path:
    """Return the file of relaxed crystals that belongs to one of generated crystals."""
    return output.with_name(f"{output.stem}-relaxed{output.suffix}")


def _relax(
    relaxer: CrystalRelaxer,
    settings: GenerationSettings,
    folder: Path,
    output: Path,
    report: Report,
) -> RelaxationSummary:
    """Relax the crystals of all batches."""
    from matsciml_tool_generate.relaxing import relax_all  # noqa: PLC0415 - imports ASE

    crystals: dict[str, Crystal] = {}
    rejected: Counter[str] = Counter()
    for batch in range(settings.num_batches):
        rejected.update(read_json(folder / f"{batch:06d}.json")["rejected"])
        for record in read(folder / f"{batch:06d}.extxyz"):
            crystal = ParsedStructure.from_record(record).crystal
            if crystal is not None:
                crystals[crystal.id] = crystal
    return relax_all(
        crystals, relaxer, folder, relaxed_path(output), rejected=rejected, report=report
    )


class _Sampler:
    """Samples batch after batch into a folder, and skips the batches that are there."""

    def __init__(
        self,
        head: GenerativeHead,
        settings: GenerationSettings,
        folder: Path,
        objective: Callable[[Tensor], Tensor] | None,
        prescription: Prescription | None,
        report: Report,
    ) -> None:
        self.head, self.settings, self.folder = head, settings, folder
        self.objective, self.prescription, self.report = objective, prescription, report
        self._meter: Meter | None = None

    def run(self) -> None:
        """Sample the batches that are missing."""
        for batch in range(self.settings.num_batches):
            if not (self.folder / f"{batch:06d}.json").is_file():
                self._sample(batch)
        if self._meter is not None:
            self._meter.finish()

    def _sample(self, batch: int) -> None:
        """Sample a batch, from its saved state where there is one."""
        # A seed for each batch, so that its crystals are the same whichever call samples it.
        seed = (self.settings.seed + batch * _SEED_STRIDE) % 2**63
        generator = torch.Generator().manual_seed(seed)
        composition: Composition | None = None
        if self.prescription is None:
            latents = self.head.sample_latents(self.settings.size(batch), generator=generator)
        else:
            latents, composition = self.prescription.sample(self.settings.size(batch), generator)
        if self.objective is not None:
            latents = self._guided(latents, self.objective, batch)
        state_file = self.folder / f"{batch:06d}.safetensors"
        before, size = batch * self.settings.batch_size, self.settings.size(batch)

        def count(done: int, total: int) -> None:
            steps = before * total + done * size  # of all batches, times their crystals
            if self._meter is None:
                whole = self.settings.number * total
                # Steps of an earlier call are done, but do not count as fast.
                self._meter = Meter(
                    "sampling", self.report, unit="steps", total=whole, done=max(steps - size, 0)
                )
            self._meter.add(steps - self._meter.done)

        generated = self.head.decode(
            latents,
            sampling=self.settings.sampling,
            composition=composition,
            generator=generator,
            progress=count,
            checkpoint=lambda state: state.save(state_file),
            state=SamplingState.load(state_file) if state_file.is_file() else None,
        )
        self._write(batch, generated)
        state_file.unlink(missing_ok=True)

    def _guided(self, latents: Tensor, objective: Callable[[Tensor], Tensor], batch: int) -> Tensor:
        """Return the guided latent vectors of a batch, which are computed once and saved."""
        file = self.folder / f"{batch:06d}.latents"
        if not file.is_file():
            meter = Meter("guiding", self.report, unit="steps", total=self.settings.guidance.steps)
            guided = self.head.guide(
                latents,
                objective,
                settings=self.settings.guidance,
                progress=lambda done, total: meter.add(done - meter.done),
            )
            meter.finish()
            with replacing(file) as part:
                save_file({"latents": guided.cpu().contiguous()}, part)
        # From the file in every case: a resumed call decodes the same numbers.
        return load_file(file)["latents"].to(latents.device, latents.dtype)

    def _write(self, batch: int, generated: Sequence[GeneratedCrystal]) -> None:
        """Write a batch; its counts come last, since they say that it is whole."""
        path = self.folder / f"{batch:06d}.extxyz"
        start = batch * self.settings.batch_size
        rejected: Counter[str] = Counter()
        space_groups: Counter[str] = Counter()  # by number, "0" where there is none
        with open_whole_text(path) as stream:
            for index, result in enumerate(generated, start):
                if result.crystal is None:
                    rejected[str(result.rejected)] += 1
                    continue
                crystal = replace(result.crystal, id=f"generated-{index:06d}")
                values = {"seed": self.settings.seed}
                if self.settings.sampling.space_group is not None:
                    number = find_space_group(crystal, SYMMETRY_TOLERANCE) or 0
                    space_groups[str(number)] += 1
                    values["space_group"] = number
                write_frame(stream, crystal, values=values)
        counts = {
            "written": len(generated) - rejected.total(),
            "rejected": dict(rejected),
            "space_groups": dict(space_groups),
        }
        write_json(self.folder / f"{batch:06d}.json", counts)


def _open_partial(folder: Path, settings: Mapping[str, Any], output: Path) -> None:
    """Make the folder of an unfinished generation, or check that it has the same settings."""
    if output.is_dir():
        raise ConfigError(f"'{output}' is a folder; name a file to write as --output.")
    record = folder / "settings.json"
    if record.is_file():
        try:
            earlier = read_json(record)
        except ValueError as error:
            raise DataError(
                f"'{record}' is damaged; give --restart to begin '{output}' anew."
            ) from error
        # As JSON, where tuples are lists and numbers are as they were written.
        now = json.loads(json.dumps(settings))
        changed = [key for key in now if now[key] != earlier.get(key)]
        if changed:
            raise ConfigError(
                f"'{folder}' holds an unfinished generation with another "
                f"{' and '.join(changed)}; give the same again to resume it, or --restart to begin "
                "anew."
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(record, settings)
    except OSError as error:
        raise ConfigError(
            f"'{output}' cannot be written ({error.strerror}); name another --output."
        ) from error
