# Each goal first installs what it lacks, and nothing else, then calls cargo.
# `.ci/need` says what is missing and prints the cargo flags that this machine needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
ARGS ?=
TARGET ?= stages
SECONDS_LONG ?= 300

# Programs that `--all-targets` leaves out, for they are no benchmarks of `cargo bench`.
APART = --bench server --bench scale --bench oracle

# What packages are made of: a release build, or PROGRAM=path of one that is built already.
PROGRAM ?=
OUT ?= target/dist

.PHONY: cluster cluster-upgrade deb image dist package-test help run test soak model faults backup-drill bench bench-steps bench-peers bench-profile bench-million bench-ten-million bench-nodes bench-nodes-million bench-page bench-check \
	bench-cost bench-instructions bench-oracle bench-oracle-dialects bench-python bench-gateway interop interop-apache browser fuzz vectors mutations mutants lint

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-18s %s\n", $$1, $$2}' Makefile

run: ## Start a server for trying out, on loopback (ARGS="--listen 127.0.0.1:0" adds flags)
	@flags=$$(.ci/need build); $(CARGO) run --locked $$flags -- serve --dev $(ARGS)

# Where PostgreSQL is installed, a throw-away one is started. The last line says what was skipped,
# also where a test fails.
test: ## Run all tests of the workspace and its doc tests (ARGS=name runs some of them)
	@flags=$$(.ci/need build); beside=; \
	export LACRE_TEST_SKIPPED="$$PWD/target/skipped"; \
	rm -rf "$$LACRE_TEST_SKIPPED"; mkdir -p "$$LACRE_TEST_SKIPPED"; \
	trap '.ci/skipped "$$LACRE_TEST_SKIPPED"' EXIT; \
	if [ -z "$${LACRE_TEST_POSTGRES:-}" ] && compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then \
		beside=.ci/with-postgres; \
	fi; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$$beside $(CARGO) nextest run --workspace --locked $$flags $(ARGS); \
		$(CARGO) test --workspace --locked --doc $$flags $(ARGS); \
	else \
		$$beside $(CARGO) test --workspace --locked --no-fail-fast $$flags $(ARGS); \
	fi

soak: ## Run the races at full length on a release build, which takes long (ARGS=name runs some)
	@flags=$$(.ci/need build); \
	LACRE_TEST_FULL=1 $(CARGO) test --release --locked $$flags --test main -- \
		--nocapture --test-threads 1 $(or $(ARGS),journeys::races::)

faults: ## Let each call on each file fail, flip bits in each file, and kill compactions, at full length
	@flags=$$(.ci/need build); LACRE_TEST_FULL=1 $(CARGO) test --locked $$flags --test main -- \
		--nocapture --test-threads 1 journeys::faults journeys::clock cli::compacting journeys::full_disk && \
	LACRE_TEST_FULL=1 $(CARGO) test --locked $$flags -p lacre-keystore --test keystore -- \
		--test-threads 1 epoch:: refused:: compacting::

backup-drill: ## Back up and restore a million sessions
	@flags=$$(.ci/need build); LACRE_TEST_FULL=1 $(CARGO) test --release --locked $$flags --test main -- \
		--nocapture cli::backup::drill

# One part after another: a measurement has the machine to itself.
BENCH = flags=$$(.ci/need build bench); export CARGO_FLAGS="$$flags"; python3 tests/bench

# Needs the programs of a PostgreSQL and of a Redis server, of which each test starts some of its own.
cluster: ## Break several nodes on one database, and a cluster of Redis, again and again, which takes long (QUICK=1: minutes; ARGS=name runs some)
	@flags=$$(.ci/need build postgres redis proxies); $(if $(QUICK),,export LACRE_TEST_CLUSTER=1;) $(CARGO) test --locked $$flags --test main -- \
		--nocapture --test-threads 2 $(or $(ARGS),nodes::); \
	.ci/with-postgres $(CARGO) test --locked $$flags -p lacre-keystore --test keystore -- --test-threads 2 \
		$(or $(ARGS),redis::cluster redis::faults); \
	$(if $(ARGS),:,.ci/with-postgres $(CARGO) test --locked $$flags -p lacre-keystore --all-features --test keystore \
		no_end_is_missed_among_many_writers)

# The earlier program is built in a work tree of its own, below the directory of what is built.
cluster-upgrade: ## Replace three nodes of an earlier commit, one after the other, by this program under load (FROM=commit)
	@[ -n "$(FROM)" ] || { echo "say FROM=commit" >&2; exit 2; }; \
	flags=$$(.ci/need build postgres redis); earlier=$$(realpath -m "$${CARGO_TARGET_DIR:-target}")/earlier; \
	if [ -e "$$earlier/source" ]; then git -C "$$earlier/source" checkout -q --detach $$(git rev-parse --verify "$(FROM)^{commit}"); \
	else git worktree add -q --detach "$$earlier/source" "$(FROM)"; fi; \
	(cd "$$earlier/source" && CARGO_TARGET_DIR="$$earlier/built" $(CARGO) build --locked $$flags --bin lacre); \
	LACRE_TEST_EARLIER="$$earlier/built/debug/lacre" $(CARGO) test --locked $$flags --test main -- \
		--nocapture --include-ignored --exact nodes::rolling::an_upgrade_under_load_fails_no_request_and_logs_nobody_out

model: ## Search the lease with several faults of its store at once (2 GiB of memory, some minutes)
	@flags=$$(.ci/need build); $(CARGO) test --release --locked $$flags -p lacre-keystore --test lease -- \
		--include-ignored $(ARGS)

# A quarter of an hour, and each part is on the page as soon as it is measured. Stores by the million, and what stands before
# other services, are goals of their own.
bench: ## Measure the service, its peers, its cost, guards and steps, and write docs/performance.md
	@$(BENCH)/page.py; failed=; for part in service beside cost guards steps; do \
		python3 tests/bench/$$part.py || failed="$$failed $$part"; python3 tests/bench/page.py; done; \
	[ -z "$$failed" ] || { echo "not measured:$$failed" >&2; exit 1; }

bench-steps: ## Measure the steps alone (ARGS=name runs some, and keeps nothing)
	@$(BENCH)/steps.py $(ARGS)

bench-cost: ## Measure what tokens and log-ins cost the processor, by threads (ARGS=PROGRAM takes that one, and keeps nothing)
	@$(BENCH)/cost.py $(ARGS); python3 tests/bench/page.py

bench-peers: ## Measure a guarded call of the whole service beside actix-session, express-session, better-auth and Flask
	@$(BENCH)/beside.py; python3 tests/bench/page.py

bench-profile: ## Sample where the processor's time of each kind of request goes, as root (ARGS=PROGRAM samples that one, and keeps nothing)
	@.ci/need perf; $(BENCH)/profiled.py $(ARGS); python3 tests/bench/page.py

bench-million: ## Measure a store of a million sessions (ARGS="1000 100000" for other numbers)
	@$(BENCH)/million.py $(ARGS); python3 tests/bench/page.py

bench-ten-million: ## Measure a store of ten million sessions (ARGS=fill fills it alone, which takes long)
	@$(BENCH)/ten_million.py $(ARGS); python3 tests/bench/page.py

# Groups of processes, by which nodes have equal shares of the processor, are made by root.
bench-nodes: ## Measure several nodes on PostgreSQL, Redis and a cluster of it, as root (ARGS="ends idle" measures some, and keeps nothing)
	@.ci/need postgres redis; $(BENCH)/nodes.py $(ARGS); python3 tests/bench/page.py

bench-nodes-million: ## Measure a million sessions in the stores of several nodes, as root (ARGS=100000 for another number)
	@.ci/need postgres redis; $(BENCH)/nodes_million.py $(ARGS); python3 tests/bench/page.py

bench-python: ## Measure a route of Flask behind the package for Python and behind Flask-JWT-Extended
	@$(BENCH)/python.py; python3 tests/bench/page.py

bench-gateway: ## Measure the gateway, alone and behind nginx, beside authorization servers with Redis
	@$(BENCH)/gateway.py; python3 tests/bench/page.py

bench-page: ## Write docs/performance.md anew from what was measured last
	@python3 tests/bench/page.py

bench-check: ## Say which bars fall short of what was measured last
	@python3 tests/bench/check.py

bench-oracle-dialects: ## The same for each dialect, over HTTP (ARGS=samples a class)
	@flags=$$(.ci/need build); LACRE_ORACLE_SAMPLES=$(or $(ARGS),10000) $(CARGO) test --release --locked $$flags \
		--test main -- --nocapture --exact dialects::timing::the_time_of_a_dialects_refusal_does_not_tell_its_reason

bench-instructions: ## Compare instruction counts with those kept (ARGS=--write keeps new ones)
	@flags=$$(.ci/need build instructions); export CARGO_FLAGS="$$flags"; \
	python3 tests/bench/instructions.py $(ARGS)

bench-oracle: ## Measure whether the time of a refusal tells its reason (ARGS=samples a class)
	@flags=$$(.ci/need build); $(CARGO) bench --locked $$flags --bench oracle -- $(ARGS)

# Neither the place of the sources nor that of cargo stands in the program, so that two places make the same.
RELEASE = if [ -n "$(PROGRAM)" ]; then program=$(PROGRAM); else \
	flags=$$(.ci/need build); place=$${CARGO_TARGET_DIR:-$$PWD/target}; home=$${CARGO_HOME:-$$HOME/.cargo}; \
	export SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}; \
	export RUSTFLAGS="--remap-path-prefix=$$PWD=/lacre --remap-path-prefix=$$home=/cargo --remap-path-prefix=$$place=/target"; \
	export CFLAGS="-ffile-prefix-map=$$PWD=/lacre -ffile-prefix-map=$$home=/cargo -ffile-prefix-map=$$place=/target"; \
	$(CARGO) build --release --locked $$flags --bin lacre; program=$$place/release/lacre; fi; mkdir -p $(OUT)

deb: ## Make the package for Debian, in target/dist (PROGRAM=path packs what is built already)
	@$(RELEASE); .ci/need packages; .packaging/deb $$program $(OUT)

image: ## Make the image for containers, localhost/lacre:0.1.0
	@$(RELEASE); .ci/need containers; .packaging/image build $$program localhost/lacre:0.1.0

dist: ## Make the tarball of a release, with licences, bill of materials and checksums, in target/dist
	@$(RELEASE); .packaging/dist $$program $(OUT)

package-test: ## Install, start, upgrade and purge the package in a booted Debian, and run the image, as root
	@$(RELEASE); .ci/need packages; .ci/need containers; export LACRE_PACKAGE_LEVEL=1; \
	first=$$(.packaging/deb $$program $(OUT)); \
	newer=$$(LACRE_PACKAGE_VERSION=$$($$program --version | cut -d' ' -f2)+1 .packaging/deb $$program $(OUT)); \
	.packaging/boot-test $$first $$newer $(OUT); .packaging/image-test $$program

interop: ## Exchange tokens with other libraries, and test the packages for other languages
	@flags=$$(.ci/need build interop); LACRE_TEST_ALL=1 LACRE_INTEROP_TOKENS=1000 \
		$(CARGO) test --locked $$flags --test main interop -- --nocapture

interop-apache: ## Guard a service by Apache with mod_auth_openidc, as docs/proxies/apache.conf has it
	@flags=$$(.ci/need build proxies); LACRE_TEST_ALL=1 \
		$(CARGO) test --locked $$flags --test main interop::apache -- --nocapture

browser: ## Use the cookies and the console in a real browser: chromium, without a window
	@flags=$$(.ci/need build browser); LACRE_TEST_ALL=1 \
		$(CARGO) test --locked $$flags --test main -- --nocapture journeys::browser journeys::tabs journeys::console::browser

fuzz: ## Fuzz one target for five minutes (TARGET=token, stages, header, …; SECONDS_LONG=300 or RUNS=n)
	@.ci/need build fuzz >/dev/null; cp Cargo.lock tests/fuzz/Cargo.lock; \
	python3 tests/fuzz/seeds.py "$${LACRE_VECTORS:-../shared/vectors}"; \
	RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none $(TARGET) -- \
		-max_len=$(or $(MAX_LEN),9000) -timeout=10 -rss_limit_mb=1024 \
		$(if $(RUNS),-runs=$(RUNS),-max_total_time=$(SECONDS_LONG))

vectors: ## Write tests/vectors anew from the list of attacks
	@flags=$$(.ci/need build); $(CARGO) test --locked $$flags --test main -- --ignored --exact \
		hostile::corpus::write_the_vectors

mutations: ## Ask `lacre token open` about ten million random changes of a good token (RUNS=n)
	@flags=$$(.ci/need build); $(CARGO) build --release --locked $$flags --bin lacre; \
	python3 tests/fuzz/mutations.py target/release/lacre $(or $(RUNS),10000000)

mutants: ## Change the code itself in every small way, and count what its tests notice (ARGS=token)
	@.ci/need build mutants >/dev/null; python3 tests/mutants/run.py $(ARGS)

lint: ## Check form, lints, documentation and, where cargo-deny is installed, dependencies
	@flags=$$(.ci/need build lint); \
	$(CARGO) fmt --all --check; \
	$(CARGO) clippy --workspace --all-targets --locked $$flags -- -D warnings; \
	$(CARGO) clippy $(APART) --locked $$flags -- -D warnings; \
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked $$flags; \
	if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check --hide-inclusion-graph bans licenses sources; \
	else \
		echo "cargo-deny is not installed: dependencies were not checked" >&2; \
	fi
