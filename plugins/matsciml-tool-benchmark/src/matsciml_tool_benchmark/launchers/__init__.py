"""Where jobs run: on this machine, on a Ray cluster, or through SLURM."""

from __future__ import annotations

from matsciml_tool_benchmark.launchers._choice import LAUNCHERS, open_launcher
from matsciml_tool_benchmark.launchers._launcher import Job, Launcher, Outcome

__all__ = ["LAUNCHERS", "Job", "Launcher", "Outcome", "open_launcher"]
