# Everything one types stands here; `make` alone lists it.

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/installed-from-lock
DATA_DIR := $(or $(SLUICE_DATA_DIR),.data)
TEST_DATA_DIR := $(abspath $(DATA_DIR))/test
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/*.po))
BENCHES := $(filter-out __init__ _%,$(basename $(notdir $(wildcard tests/bench/*.py))))

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help venv demo test check bench chaos messages stop clean lock broken-venv
.DEFAULT_GOAL := help

help:
	@echo 'make demo         start everything, play a day of orders, stay up   启动演示'
	@echo 'make demo ONCE=1  the same, then report and stop                    演示一次后退出'
	@echo 'make test         the whole test suite (ARGS="-k board" narrows)    运行测试'
	@echo 'make check        ruff, mypy, djlint, import-linter, migrations     静态检查'
	@echo 'make bench        every benchmark (BENCHES=intake narrows)          性能测试'
	@echo 'make chaos        faults against the feed, judged (ARGS="--seed 7") 故障测试'
	@echo 'make messages     compile the message catalogues                    编译翻译'
	@echo 'make stop         stop what make demo started, and the servers      停止所有进程'
	@echo 'make clean        stop, then remove data and caches                 清除数据与缓存'
	@echo 'make venv         only build .venv                                  仅建立环境'
	@echo 'make lock         renew requirements/*.txt from the .in files       更新依赖锁'

# --- environment ---------------------------------------------------------------------------------

venv: $(INSTALLED)

# An environment whose interpreter went away (upgrade, copied directory) is built anew.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(PY) -c 'print(1)' 2>/dev/null),1)
$(INSTALLED): broken-venv
endif
endif

broken-venv:
	rm -rf $(VENV)

$(INSTALLED): requirements/dev.txt
	@if [ ! -x $(PY) ]; then chosen=$$(PYTHON='$(PYTHON)' requirements/pick-python) || exit 1; \
	  echo "Building $(VENV) with $$chosen"; "$$chosen" -m venv $(VENV); fi
	@$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# Hashes, no index addresses: the locks serve every mirror. uv resolves for 3.11 to 3.13 at once.
lock:
	rm -rf .data/uv && python3 -m venv .data/uv && .data/uv/bin/python -m pip install --quiet uv
	cd requirements && for part in base dev; do ../.data/uv/bin/python -m uv pip compile \
	  --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header $$part.in --output-file $$part.txt; done
	rm -rf .data/uv

# --- running -------------------------------------------------------------------------------------

demo: venv messages
	@$(PY) manage.py demo $(if $(ONCE),--once) $(ARGS)

stop:
	@if [ -x $(PY) ]; then $(PY) -m config.processes stop --data-dir "$(DATA_DIR)"; fi

clean: stop
	@if [ -x $(PY) ]; then $(PY) -m config.embedded remove --data-dir "$(DATA_DIR)"; fi
	rm -rf .data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f $(CATALOGUES)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

messages: $(CATALOGUES)

%.mo: %.po | $(INSTALLED)
	@$(PY) -m babel.messages.frontend --quiet compile -i $< -o $@

# --- proving -------------------------------------------------------------------------------------

# Tests have servers of their own, which may forget everything in a power cut and are quick for it.
test: export SLUICE_DATA_DIR = $(TEST_DATA_DIR)
test: export SLUICE_EMBEDDED_VOLATILE = 1
test: venv messages
	@$(PY) -m pytest -n auto --maxprocesses 2 --dist loadfile $(ARGS); status=$$?; \
	  $(PY) -m config.embedded stop --data-dir "$(TEST_DATA_DIR)"; exit $$status

check: export SLUICE_NO_DATABASE = 1
check: venv
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) $(VENV)/bin/lint-imports
	$(PY) -m djlint templates --lint
	$(PY) -m mypy
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

bench: venv messages
	@for name in $(BENCHES); do $(PY) -m tests.bench.$$name $(ARGS) || exit 1; done

# About twelve minutes; docs/chaos.md says how to read the table and how to run one line of it again.
chaos: venv messages
	@$(PY) -m tests.chaos.run $(ARGS)
