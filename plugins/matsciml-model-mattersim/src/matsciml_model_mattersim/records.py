"""What to cite; nothing here is heavy."""

from __future__ import annotations

from matsciml_core import Reference

PAPER = Reference(
    key="yang2024mattersim",
    authors="Yang, Han and Hu, Chenxi and Zhou, Yichi and Liu, Xixian and Shi, Yu and Li, Jielan "
    "and Li, Guanzhi and Chen, Zekun and Chen, Shuizhou and Zeni, Claudio and others",
    title="MatterSim: A Deep Learning Atomistic Model Across Elements, Temperatures and Pressures",
    venue="arXiv",
    year=2024,
    doi="10.48550/arXiv.2405.04967",
)
M3GNET = Reference(
    key="chen2022universal",
    authors="Chen, Chi and Ong, Shyue Ping",
    title="A universal graph deep learning interatomic potential for the periodic table",
    venue="Nature Computational Science",
    year=2022,
    doi="10.1038/s43588-022-00349-3",
)
