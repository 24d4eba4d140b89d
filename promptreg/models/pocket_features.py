"""The features of `pocket` without its mask decoder."""

from __future__ import annotations

from promptreg.models.feature_only import FeatureOnly
from promptreg.models.pocket import Pocket


class PocketFeatures(FeatureOnly):
    """Regions of like features of `pocket`; set beside `pocket` it shows what its decoder adds."""

    def __init__(self) -> None:
        super().__init__(Pocket(), name="pocket_features")
