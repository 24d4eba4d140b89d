"""Readers of image pairs; find them through `promptreg.registry`."""
