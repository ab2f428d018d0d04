"""Stillwatch finds, explains and stops industrial-scale distillation of a language model through its API."""

__version__ = "0.1.0"
