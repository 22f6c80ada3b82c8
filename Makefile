# Every target is one script; variables given on the command line (ONCE, DEMO_SCALE, SEED, LEVEL, LONG, AGENTS, COUNT, ONLY, SCALE, WRITE, HOURS, LEAK, MUTATE, ROOT, AIPERF, TRIALS, BAD_S, SECONDS) reach it as environment.
.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e conservation soak bad-input interop board board-formats conformance meters-live kit seeded-runs live-node live-tokens price-refresh-live calibration-trials gpu price-list bench fleet scale-out tamper screenshots pages-bench units units-live packages compat newcomer deploy-check lint proto docs clean

help:
	@sed -n 's/^\([a-z0-9-]*\):.*# /  make \1	/p' Makefile

setup: # environment in .venv with the package, linters and tests
	@scripts/setup

demo: # collector, agent, a short benchmark and its card; ONCE=1 ends with one JSON line and leaves nothing running
	@scripts/demo

test: # everything CI runs: Debian packages, environment, checks, tests
	@scripts/test

e2e: # the whole path under load and kills, checked from outside; SEED=n, MUTATE=gain|drop|dup, AIPERF=1
	@scripts/e2e

conservation: # nothing lost uncounted, nothing invented under every kind of fault, checked from outside; SEED=n, LONG=1, AGENTS=n
	@scripts/conservation

soak: # a day at accelerated time: memory and descriptors of agent and collector stay as they are; HOURS=n, LEAK=1 must turn it red
	@scripts/soak

bad-input: # every bad input gets a clear error, none is accepted, none crashes; SEED=n, COUNT=n mutations, WRITE=1 writes the table
	@scripts/bad-input

interop: # every reader of benchmarks on every sample, its figures counted once more by other code; MUTATE=tokens|requests|zone, WRITE=1 writes the page
	@scripts/interop

board: # 10,000 cards on one board: p50 and p99 of list and feed beside a route that does nothing, 304s, nobody missing; COUNT=n, ASKED=n, SEED=n
	@scripts/board

board-formats: # feed, table and data-set description of the board, each read by other code than ours, and each refused when it is spoilt
	@scripts/board-formats

conformance: # every kind of meter against a living device, check by check, and the latency of a read; WRITE=1 makes the page anew
	@scripts/conformance

meters-live: # one server under a known load, read by every kind at once, while its BMC hangs and a PDU reboots; SEED=n, MINUTES=m, MUTATE=wiring|gain
	@scripts/meters-live

kit: # every rule on what satisfies it and on every fault it must see, and the four bundles of the conformance kit; SEED=n, OUT=folder, WRITE=1
	@scripts/kit

seeded-runs: # simulated laboratories validated from their files, their energies held against the truth; SEED=n, RUNS=n, MUTATE=gain must turn it red
	@scripts/seeded-runs

calibration-trials: # 200 pairs of meters aligned and judged by other maths, as many bad ones refused; SEED=n, TRIALS=n, MUTATE=half_u|no_lag|no_offset
	@scripts/calibration-trials

price-vectors: # the 24 worked vectors of prices and costs in the recorded corpus, digit for digit; MUTATE=V01 must turn it red
	@scripts/price-vectors

live-node: # a simulated node, a real agent and collector at hastened time, and the level of the bundle; SEED=n, LEVEL=ES1|ES2, RATE=n, OUT=folder, MUTATE=analyser|bmc
	@scripts/live-node

live-tokens: # joules per 1k tokens of running services against the record of every request; SEED=n, SEEDS=n, MUTATE=drop|double
	@scripts/live-tokens

price-refresh-live: # a real collector reads seven feeds of prices while one is down, one hangs and three lie; SEED=n, BAD_S=n, MUTATE=gate|touch|serial
	@scripts/price-refresh-live

gpu: # what NVML is on this machine's GPUs, and what reading it costs a load; WRITE=1 fills docs/explanation/nvml-on-real-gpus.md, PAIRS=n
	@scripts/gpu

price-list: # a synthetic list of AWS streamed within 200 MB of memory, its time beside that of csv.reader; MB=n, 300 unless set
	@scripts/price-list

bench: # the goals of the engine, each beside its rival in the same run: build/bench.json and build/bench.md; ONLY=E4,E5, SCALE=smoke, PEERS=1 beside Zeus and AIPerf
	@scripts/bench

scale-out: # two shards of the real ClickHouse engine, killed while hosts are sealed onto them: build/scale-out.json; SEED=n, SCALE=n, MUTATE=dup|drop
	@scripts/scale-out
fleet: # what 10,000 hosts take: cores, memory, network, disk and cost, measured on the real ingest code; HOSTS=n, SECONDS=n, STREAMS=n
	@scripts/fleet

tamper: # attached cards tampered with in ten ways, each of which must be named; SEED=n, MUTATE=untouched|remade must turn it red
	@scripts/tamper

screenshots: # every page in Chromium from a real run: pictures, axe-core, weights, watch, in build/screenshots; SECONDS=n, MUTATE=contrast|remote|heavy|wide
	@scripts/screenshots

pages-bench: # first paint of every page beside a route that does nothing, and a day of eight GPUs drawn; HOURS=n
	@scripts/pages-bench

units: # the units of systemd: verify clean, exposure of both at most 2.5, judged by systemd-analyze; MUTATE=open must turn it red
	@scripts/units

units-live: # both units installed and started by a real systemd in namespaces, hung, started again by its watchdog; as root; MUTATE=deaf
	@scripts/units-live

newcomer: # the first tutorial taken literally in an empty folder, and timed: build/newcomer.md; ROOT=debian in a bare Debian 12 (root), MUTATE=block must turn it red
	@scripts/newcomer

packages: # wheel, sdist, the agent's Debian package and each extra alone, built, weighed, installed, called: build/packages; ONLY=deb|extras
	@scripts/packages

deploy-check: # chart, manifests, Containerfile, Compose file and Slurm's scripts by Helm's library, schemas and linters; WRITE=1, MUTATE=privileged|schema|token
	@scripts/deploy-check

compat: # the protocol matrix of this version and the one before, from real processes, upgrades and rollbacks too; MUTATE=version must turn it red
	@scripts/compat

lint: # ruff, mypy, import contracts, buf, generated code, generated docs
	@scripts/setup && scripts/check

proto: # regenerate the protobuf code
	@scripts/proto

docs: # generated pages made anew, the site built strictly into build/site, every link followed, the reference held against the code; MUTATE=link|key|route
	@scripts/setup && scripts/docs && .venv/bin/python -m tests.docs

clean: # remove environments and caches
	@rm -rf .venv .venv-proto .venv-oldest .venv-peers .venv-snmpsim .venv-deploy .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
