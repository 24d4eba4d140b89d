"""The workflow's stages: open stores, loop over pairs, call the science, write."""
