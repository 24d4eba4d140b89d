"""Networks that look at a pair of images on one grid and return a displacement field in its voxel form."""
