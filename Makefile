# `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
VENV := $(if $(ESCLUSA_VENV),$(ESCLUSA_VENV),$(CURDIR)/.tools/venv)
export PATH := $(VENV)/bin:$(PATH)
# cargo-lambda would otherwise build for the machine's own glibc.
FUNCTIONS := metrics operator publish_program retention rollout
# Namespaces and engines need root; building does not. So only the programs run with sudo, and what
# they find on the path is what was found here, which sudo by itself would not keep.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env env 'PATH=$(PATH)')

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this machine (says what and why)
	@scripts/setup

.PHONY: demo
demo: build ## a rollout, a failed one, a rollback, on real engines: target/demo/report.json
	cargo build --quiet --locked --package esclusa-local
	$(SUDO) target/debug/esclusa-local demo

.PHONY: build
build: setup ## build the functions in release, as they run on AWS: target/lambda/<name>/bootstrap
	cargo lambda build --release --locked $(addprefix --package ,$(FUNCTIONS))
	scripts/programs

.PHONY: programs
programs: setup ## build what runs on hosts, for each architecture: target/hosts/<architecture>/esclusa-host
	scripts/programs

.PHONY: arm
arm: setup ## build all for arm64 and start each program once, emulated
	scripts/arm

.PHONY: package
package: build ## what `sam build` makes for each architecture that can be built here, and its size
	scripts/setup check
	scripts/package

.PHONY: check
check: setup ## format, lints, documentation, shell scripts, template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked --quiet
	shellcheck --external-sources scripts/arm scripts/package scripts/programs scripts/setup \
	  scripts/test \
	  .ci/run examples/host/prepare
	shellcheck hosts/bootstrap.sh hosts/measure.sh
	for verb in prefetch activate inspect; do \
	  { echo '#!/usr/bin/env bash'; cat hosts/lib.sh "hosts/$$verb.sh"; } | shellcheck -; \
	done
	cargo run --quiet --locked --package esclusa-local -- documents --check
	cfn-lint template.yaml template-service.yaml
	scripts/setup check
	for template in template.yaml template-service.yaml; do \
	  SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-south-1 \
	    $(VENV)-aws-sam-cli/bin/sam validate --lint --template $$template; \
	done
	# Nothing is asked of its maker's servers. What is passed over says why, beside the resource.
	$(VENV)-checkov/bin/checkov --quiet --compact --skip-download --framework cloudformation \
	  --file template.yaml --file template-service.yaml

.PHONY: soak
soak: setup ## the simulation for long, on all cores: SEEDS=500000 fresh histories, or as many as you say
	cargo run --profile simulation --locked --package esclusa-sim --example search -- \
	  $(or $(FIRST),$(shell date +%s)00000) $(or $(SEEDS),50000)

.PHONY: fuzz
fuzz: setup ## try to have messages misread, on all cores: INPUTS=10000000 of a new SEED, or yours
	ESCLUSA_FUZZ=$(or $(INPUTS),10000000) ESCLUSA_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
	  cargo test --profile simulation --locked --package esclusa-aws --test fuzz -- --nocapture

.PHONY: bench
bench: build ## measure: ratios to a bare function, of one run; nothing is judged
	cargo lambda build --release --locked --package bare
	cargo bench --profile dev --locked --package esclusa-tests
	cargo bench --profile simulation --locked --package esclusa-sim

.PHONY: test
test: check package ## check, then every test; needs root or sudo for the hosts
	SUDO='$(SUDO)' scripts/test
