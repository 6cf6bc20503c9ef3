"""Publications to cite."""

from matsciml_core import Reference

DIMENET = (
    Reference(
        key="gasteiger2020fast",
        authors="Gasteiger, Johannes and Giri, Shankari and Margraf, Johannes T. "
        "and Günnemann, Stephan",
        title="Fast and Uncertainty-Aware Directional Message Passing for Non-Equilibrium "
        "Molecules",
        venue="arXiv:2011.14115",
        year=2020,
        doi="10.48550/arXiv.2011.14115",
    ),
)
GEMNET = (
    Reference(
        key="gasteiger2021gemnet",
        authors="Gasteiger, Johannes and Becker, Florian and Günnemann, Stephan",
        title="GemNet: Universal Directional Graph Neural Networks for Molecules",
        venue="Advances in Neural Information Processing Systems 34",
        year=2021,
        doi="10.48550/arXiv.2106.08903",
    ),
)
CDVAE = (
    Reference(
        key="xie2022crystal",
        authors="Xie, Tian and Fu, Xiang and Ganea, Octavian-Eugen and Barzilay, Regina "
        "and Jaakkola, Tommi",
        title="Crystal Diffusion Variational Autoencoder for Periodic Material Generation",
        venue="International Conference on Learning Representations",
        year=2022,
        doi="10.48550/arXiv.2110.06197",
    ),
)
