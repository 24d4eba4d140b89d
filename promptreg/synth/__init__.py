"""Endless synthetic pairs of images with their label maps, to train a segmentation and matching network."""

from promptreg.synth.pairs import SynthPairs, synth_pairs
from promptreg.synth.regions import region

__all__ = ["SynthPairs", "region", "synth_pairs"]
