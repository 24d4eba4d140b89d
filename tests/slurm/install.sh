#!/bin/sh
# Install Debian's Slurm and munge, for `make slurm`; tests/slurm/cluster.py starts them, no service is configured.
set -eu
command -v slurmctld >/dev/null && command -v munged >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Slurm is not installed here, and only root on Debian or Ubuntu can install it" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null
