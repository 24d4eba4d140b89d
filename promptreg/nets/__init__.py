"""The networks that this package trains itself: plain modules on tensors."""
