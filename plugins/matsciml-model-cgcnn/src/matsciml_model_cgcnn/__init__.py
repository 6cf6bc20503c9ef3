"""Crystal graph convolutions (CGCNN) for MatSciML: gated messages between described elements."""

__version__ = "0.1.0"
