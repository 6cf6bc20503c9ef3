"""The sections of the report that this plugin offers, by the hook that others use too.

Light, because every command imports it.
"""

from __future__ import annotations

from matsciml_tool_report.hooks import ReportSectionSpec

_PACKAGE = "matsciml_tool_report"

SECTIONS = (
    ReportSectionSpec(
        name="results",
        title="Metrics",
        order=10,
        summary="Test metrics beside the baselines.",
        class_path=f"{_PACKAGE}.metrics_section:metrics",
    ),
    ReportSectionSpec(
        name="learning",
        title="Learning",
        order=20,
        summary="Learning curves, and conflict between tasks.",
        class_path=f"{_PACKAGE}.learning_section:learning",
    ),
    ReportSectionSpec(
        name="predictions",
        title="Predictions",
        order=30,
        summary="Predictions against labels, errors told apart, and the worst crystals.",
        class_path=f"{_PACKAGE}.predictions_section:predictions",
    ),
    ReportSectionSpec(
        name="uncertainty",
        title="Uncertainty",
        order=35,
        summary="Coverage of intervals, and error against spread, where a model knows its spread.",
        class_path=f"{_PACKAGE}.uncertainty_section:uncertainty",
    ),
    ReportSectionSpec(
        name="data",
        title="Data",
        order=50,
        summary="Source, licence, split and labels of each dataset.",
        class_path=f"{_PACKAGE}.data_section:data",
    ),
    ReportSectionSpec(
        name="model",
        title="Model",
        order=60,
        summary="Components, parameters, and the constants that were fitted.",
        class_path=f"{_PACKAGE}.record_sections:model",
    ),
    ReportSectionSpec(
        name="cost",
        title="Cost",
        order=70,
        summary="Time, speed and hardware.",
        class_path=f"{_PACKAGE}.record_sections:cost",
    ),
    ReportSectionSpec(
        name="provenance",
        title="Provenance",
        order=80,
        summary="What it takes to repeat the run.",
        class_path=f"{_PACKAGE}.record_sections:provenance",
    ),
    ReportSectionSpec(
        name="citation",
        title="Citation",
        order=90,
        summary="What to cite, as text and as BibTeX.",
        class_path=f"{_PACKAGE}.record_sections:citation",
    ),
)
