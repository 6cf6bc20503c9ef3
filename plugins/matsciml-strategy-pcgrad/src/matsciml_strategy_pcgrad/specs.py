"""The aggregators: name, summary, requirements, and what to cite.

Each is a strategy of its own, not a setting of one: so each is listed with a summary, is cited in
the runs that use it, says what it requires, and has only its own settings.
"""

from __future__ import annotations

from matsciml_core import Reference, StrategySpec

_PACKAGE = "matsciml_strategy_pcgrad"
_TORCHJD = "torchjd==0.18.*"

_YU = Reference(
    key="yu2020gradient",
    authors="Yu, Tianhe and Kumar, Saurabh and Gupta, Abhishek and Levine, Sergey and "
    "Hausman, Karol and Finn, Chelsea",
    title="Gradient Surgery for Multi-Task Learning",
    venue="Advances in Neural Information Processing Systems 33",
    year=2020,
    doi="10.48550/arXiv.2001.06782",
)
_SENER = Reference(
    key="sener2018multi",
    authors="Sener, Ozan and Koltun, Vladlen",
    title="Multi-Task Learning as Multi-Objective Optimization",
    venue="Advances in Neural Information Processing Systems 31",
    year=2018,
    doi="10.48550/arXiv.1810.04650",
)
_LIU_IMTL = Reference(
    key="liu2021towards",
    authors="Liu, Liyang and Li, Yi and Kuang, Zhanghui and Xue, Jing-Hao and Chen, Yimin and "
    "Yang, Wenming and Liao, Qingmin and Zhang, Wayne",
    title="Towards Impartial Multi-task Learning",
    venue="International Conference on Learning Representations",
    year=2021,
)
_CHEN = Reference(
    key="chen2018gradnorm",
    authors="Chen, Zhao and Badrinarayanan, Vijay and Lee, Chen-Yu and Rabinovich, Andrew",
    title="GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks",
    venue="International Conference on Machine Learning, PMLR 80, 794-803",
    year=2018,
    doi="10.48550/arXiv.1711.02257",
)
_NAVON = Reference(
    key="navon2022multi",
    authors="Navon, Aviv and Shamsian, Aviv and Achituve, Idan and Maron, Haggai and "
    "Kawaguchi, Kenji and Chechik, Gal and Fetaya, Ethan",
    title="Multi-Task Learning as a Bargaining Game",
    venue="International Conference on Machine Learning, PMLR 162, 16428-16446",
    year=2022,
    doi="10.48550/arXiv.2202.01017",
)
_QUINTON = Reference(
    key="quinton2024jacobian",
    authors="Quinton, Pierre and Rey, Valérian",
    title="Jacobian Descent for Multi-Objective Optimization",
    venue="arXiv preprint",
    year=2024,
    doi="10.48550/arXiv.2406.16232",
)
_LIU_CAGRAD = Reference(
    key="liu2021conflict",
    authors="Liu, Bo and Liu, Xingchao and Jin, Xiaojie and Stone, Peter and Liu, Qiang",
    title="Conflict-Averse Gradient Descent for Multi-task Learning",
    venue="Advances in Neural Information Processing Systems 34",
    year=2021,
    doi="10.48550/arXiv.2110.14048",
)
_SENUSHKIN = Reference(
    key="senushkin2023independent",
    authors="Senushkin, Dmitry and Patakin, Nikolay and Kuznetsov, Arseny and Konushin, Anton",
    title="Independent Component Alignment for Multi-Task Learning",
    venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition, 20083-20093",
    year=2023,
    doi="10.1109/CVPR52729.2023.01923",
)


def _spec(
    name: str,
    summary: str,
    class_path: str,
    reference: Reference,
    *,
    config: str | None = None,
    requires: tuple[str, ...] = (),
    max_tasks: int | None = None,
) -> StrategySpec:
    return StrategySpec(
        name=name,
        summary=summary,
        class_path=f"{_PACKAGE}.{class_path}",
        config=None if config is None else f"{_PACKAGE}.config:{config}",
        requires=requires,
        references=(reference,),
        licence="MIT",
        max_tasks=max_tasks,
    )


SPECS = (
    _spec(
        "pcgrad",
        "Several tasks; each one's gradient loses what contradicts another's, then they are added.",
        "pcgrad:PCGrad",
        _YU,
        config="PCGradConfig",
    ),
    _spec(
        "mgda",
        "Several tasks; the shortest average of their gradients, which worsens none of them.",
        "mgda:MGDA",
        _SENER,
        max_tasks=10,
    ),
    _spec(
        "imtl-g",
        "Several tasks; the direction with the same component along each one's unit gradient.",
        "closed_forms:IMTLG",
        _LIU_IMTL,
    ),
    _spec(
        "nash-mtl",
        "Several tasks; the direction on which they would agree in a bargain of equals.",
        "closed_forms:NashMTL",
        _NAVON,
    ),
    _spec(
        "gradnorm",
        "Several tasks; learned weights that let all of them train at the same rate.",
        "gradnorm:GradNorm",
        _CHEN,
        config="GradNormConfig",
    ),
    _spec(
        "upgrad",
        "Several tasks; each one's gradient is bent until it worsens none, then they are averaged.",
        "torchjd_aggregators:UPGrad",
        _QUINTON,
        requires=(_TORCHJD, "qpsolvers", "quadprog"),
    ),
    _spec(
        "cagrad",
        "Several tasks; near their mean gradient, the best direction for the one worst off.",
        "torchjd_aggregators:CAGrad",
        _LIU_CAGRAD,
        config="CAGradConfig",
        requires=(_TORCHJD, "cvxpy>=1.3"),
    ),
    _spec(
        "aligned-mtl",
        "Several tasks; their gradients are rotated and scaled until they are orthogonal.",
        "torchjd_aggregators:AlignedMTL",
        _SENUSHKIN,
        requires=(_TORCHJD,),
    ),
)
