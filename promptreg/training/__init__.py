"""Training of the network `pocket` on synthetic pairs alone."""
