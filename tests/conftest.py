"""Puts this folder on the import path, so that tests can import `toy_model` and `small_sam`."""
