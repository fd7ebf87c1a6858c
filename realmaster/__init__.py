"""RealMaster: lifts a running game into photoreal video."""

__version__ = "0.1.0"
