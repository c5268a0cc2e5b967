# Thin: what each target does is in tools/ and lab/. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The set-up links the virtual environment as .venv; everything runs from there. sfdisk and mkfs.ext4 are in sbin, which
# is off an ordinary user's PATH.
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin
export PYTHONUNBUFFERED := 1
# Only the scenarios in the root's molecule/, where molecule would look last and with a warning.
export MOLECULE_GLOB := molecule/*/molecule.yml

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: venv
venv: ## the Python environment alone: Ansible and what Friday needs, and the tools of the tests
	@tools/setup venv

.PHONY: setup
setup: ## install what is missing: Python environment, system packages for the lab
	@tools/setup lab

.PHONY: friday
friday: setup ## the story on a cluster of VMs: an upgrade that stops at the canary, the fix, an upgrade that succeeds
	@python -m lab friday

.PHONY: test
test: venv ## all tiers of tests, quick ones first: lint, unit, playbooks, cluster, installed, rehearsal, lab, molecule
	@python -m tools.tiers

.PHONY: lint unit playbooks cluster installed rehearsal lab molecule
lint: venv ## style, types, import rules, documentation, ansible-lint
	@python -m tools.tiers $@
unit: venv ## pure tests (PYTEST_ADDOPTS is respected, in all pytest tiers)
	@python -m tools.tiers $@
playbooks: venv ## tests that run the real ansible-playbook, without machines
	@python -m tools.tiers $@
cluster: venv ## tests against the lab's real API server, with nodes that are only objects
	@python -m tools.tiers $@
installed: venv ## tests of the collection as its users have it: built, installed, run from elsewhere
	@python -m tools.tiers $@
rehearsal: venv ## tests that boot real kernels in small VMs and load BPF programs on them
	@python -m tools.tiers $@
lab: venv ## tests on the lab's VMs
	@python -m tools.tiers $@
molecule: venv ## a molecule scenario for each role, on the lab's VMs
	@python -m tools.tiers $@

.PHONY: lab-up lab-down lab-status
lab-up: setup ## boot the lab: a Kubernetes cluster of three VMs, and inventories/lab for it
	@python -m lab up
lab-down: venv ## stop the lab; what was built stays in the cache
	@python -m lab down
lab-status: venv ## what of the lab runs
	@python -m lab status

.PHONY: bench
bench: setup ## ratios: a look at a large cluster over its raw lists; a rehearsal; the lab at rest; a Friday over a bare playbook
	@PYTHONPATH=collections:. python -m tests.cluster.bench
	@PYTHONPATH=collections:. python -m tests.rehearsal.bench
	@python -m lab bench

.PHONY: rehearsal-matrix
rehearsal-matrix: setup ## kernels of Debian's archive by BPF objects, Cilium's too: what a rehearsal says, and what is so (an hour)
	@PYTHONPATH=collections:. python -m tests.rehearsal.matrix
	@PYTHONPATH=collections:. python -m tests.rehearsal.versions

.PHONY: abort-matrix kill-points
abort-matrix: setup ## every way for a Friday to die, everywhere, on every ansible-core (hours; goes on where it was)
	@FRIDAY_ALL_CORES=1 PYTHONPATH=collections:. python -m tests.fleet abort-matrix
kill-points: setup ## kill a Friday at each event, and go on; at the end all is done once (most of an hour)
	@PYTHONPATH=collections:. python -m tests.fleet kill-points

.PHONY: plan-shapes
plan-shapes: venv ## the plans of clusters of several shapes, printed and written to docs/reference/plan.md
	@PYTHONPATH=collections:. python -m tests.unit.decide.shapes

.PHONY: format
format: venv ## let ruff format the Python files and mend what it can
	@ruff check --fix-only --quiet .
	@ruff format --quiet .

.PHONY: reference
reference: venv ## write docs/reference/variables.md from the roles' argument specs, manifests/rights.yaml from the code
	@python -m tools.make_reference
	@PYTHONPATH=collections:. python -m tools.make_rights

.PHONY: requirements
requirements: venv ## lock requirements/*.in anew
	@tools/lock

.PHONY: clean
clean: ## stop the lab and remove what was made in this checkout (not the cache folder)
	@if [ -e .venv ]; then python -m lab down; fi
	@rm -rf build inventories/lab .venv .molecule
	@find . -name __pycache__ -type d -not -path './collections/*' -prune -exec rm -rf {} +
