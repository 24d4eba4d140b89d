"""Promptable segmentation models behind one contract; find them through `promptreg.registry`."""
