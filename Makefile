# Chartwire. `make help` lists what there is. Everything a target needs that is not here, it installs or names.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
GO ?= go
SPEC ?= threads=2000,messages=5,shuffle,repeat=0.1
SECONDS_FUZZ ?= 10
HAPI_EVENTS ?= testdata/threads-contract/proxy-with-photo.ndjson
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export GOFLAGS ?= -mod=readonly

.PHONY: help
help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## Build bin/chartwire.
	@$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/chartwire ./cmd/chartwire

.PHONY: run
run: ## Start sandbox EHR, sandbox platform and the connector; file the bundled threads; keep serving.
	@$(GO) run ./cmd/chartwire demo --listen 127.0.0.1:8080 --console 127.0.0.1:8081

.PHONY: test
test: lint unit race demo browser proofs ## Everything but HAPI and python-hl7: lint, tests (SQLite and Postgres), race detector, the demo's counts, the inbox in a browser, the proofs in short form.

.PHONY: lint
lint: ## gofmt and go vet.
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt'd:"; echo "$$out"; exit 1; fi
	@$(GO) vet ./...
	@echo "lint: gofmt and vet over $$(git ls-files '*.go' | wc -l) files"

.PHONY: unit
unit: ## Tests of every package, on SQLite and on a private Postgres.
	@$(GO) test -timeout 10m ./...
	@echo "unit: $$($(GO) list ./... | wc -l) packages, on SQLite and a private Postgres"

RACE := ./connector/... ./adapters/filing/transcript ./fhir/client ./fhir/smart ./adapters/sandbox/... ./adapters/ehr/... ./adapters/channel/... ./adapters/hl7/mllp

# Virtual hours, hundred thousands of rows and huge answers take the detector minutes and show it nothing new; unit runs them.
RACE_SKIP := ^TestOutage|^TestWedgedThreads|^TestThreadsThatHang|^TestOneProbe|^TestMovedValues|^TestClaimsBeside|^TestAMigrationWaits|^TestAnUnreachable|^TestFaultMatrix|^TestHugeAnswers|^TestTexts

.PHONY: race
race: ## The concurrent rooms again under the race detector.
	@$(GO) test -race -timeout 15m -skip '$(RACE_SKIP)' $(RACE)
	@echo "race: $(RACE)"

.PHONY: demo
demo: build ## The demo's counts for the bundled threads, the contract's thread by every EHR type, and generated traffic.
	@bin/chartwire demo --once --json
	@for type in fhir epic oracle athena meditech openemr hl7v2; do \
		bin/chartwire demo --once --json --ehr $$type --events testdata/threads-contract/proxy-with-photo.ndjson || exit 1; done
	@bin/chartwire demo --once --json --generate "$(SPEC)"
	@bin/chartwire demo --once --json --ehr note
	@bin/chartwire demo --once --json --ehr hl7v2
	@echo "demo: eleven charts read back from the sandbox EHRs, each what was sent"

.PHONY: test-hapi
test-hapi: ## File into a HAPI FHIR server and have an independent client read the chart back.
	@testdata/hapi/run.sh $(HAPI_EVENTS)

.PHONY: test-mllp
test-mllp: ## File over MLLP into a receiver nobody here wrote (python-hl7) and compare what its library read.
	@testdata/mllp/run.sh

.PHONY: fuzz
fuzz: ## Each fuzz target for SECONDS_FUZZ seconds.
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "fuzz: $$f in $$p"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(SECONDS_FUZZ)s $$p || exit 1; done; done

# The proofs. Sizes are variables, figures a line each; FIGURES=FILE keeps them for `bin/prove table FILE`.
KILLS ?= 300
POINTS ?= 1
PAUSES ?= 200
PER ?= exchange
CUTS ?= 50
EXCHANGES ?= 20000
SEEDS ?= 1000
PLANTED ?= yes

.PHONY: chromium
chromium:
	@if ! { command -v chromium && command -v certutil && fc-list | grep -qi emoji; } >/dev/null 2>&1; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji libnss3-tools >/dev/null; fi
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends npm >/dev/null; }

# What the browser's tests are given. -run takes RUN, so that one path can be tried alone.
BROWSER = $(GO) test ./cmd/prove/browser -count=1 -timeout 20m -v -run '$(or $(RUN),.)' -args -chromium $$(command -v chromium) -packages $(CURDIR)/bin/npm $(IMAGES)

.PHONY: browser
browser: chromium ## Drive Chromium through the inbox in an EHR's frame: every path, every cookie setting, and its figures.
	@$(BROWSER) | grep -E '^ *(figure|FAIL|ok|panic|--- (FAIL|SKIP)|[a-z_]+_test.go)'

.PHONY: screenshots
screenshots: chromium ## Take each page of the inbox at 400 and 1280 px into docs/images.
	@mkdir -p docs/images
	@$(MAKE) --no-print-directory browser RUN=TestPictures IMAGES="-images $(CURDIR)/docs/images"

.PHONY: prove
prove: build ## Build bin/prove, which every measurement below is made with.
	@$(GO) build -trimpath -o bin/prove ./cmd/prove

.PHONY: proofs
proofs: ## A short form of every measurement, in a few minutes in all.
	@$(MAKE) --no-print-directory sim SEEDS=40 PLANTED=few
	@$(MAKE) --no-print-directory crash KILLS=5 POINTS=1 PAUSES=3
	@$(MAKE) --no-print-directory crash KILLS=3 POINTS=0 PAUSES=0 PER=thread
	@if [ -w /dev/fuse ]; then $(MAKE) --no-print-directory powercut CUTS=3; else echo "POWER CUTS NOT RUN: there is no /dev/fuse to write to here"; fi
	@$(MAKE) --no-print-directory faults EXCHANGES=300
	@$(MAKE) --no-print-directory bench SECONDS=1
	@echo "proofs: crashes, pauses, power cuts, faults, restores, simulation and benches, in short form"

.PHONY: crash
crash: prove ## KILLS kill -9 cycles a store, POINTS rounds over the crash points, PAUSES stops past a lease. PER=thread: a thread is one entry.
	@bin/prove crash --kills $(KILLS) --points $(POINTS) --pauses $(PAUSES) --per $(PER)

.PHONY: powercut
powercut: prove ## CUTS power cuts under each store, and under stores that must lose by them. Needs /dev/fuse and root.
	@bin/prove powercut --cuts $(CUTS)

.PHONY: faults
faults: prove ## Store away, answers lost, shuffled and wedged threads, a restored backup: EXCHANGES exchanges each.
	@bin/prove faults --exchanges $(EXCHANGES)
	@bin/prove restore --exchanges $$(( $(EXCHANGES) / 2 ))

.PHONY: sim
sim: ## SEEDS simulated worlds in virtual time, planted bugs, outages of 72 hours.
	@$(GO) test ./cmd/prove/sim -run 'TestSeeds|TestPlantedBugs' -count=1 -timeout 60m -v -args -seeds $(SEEDS) $(if $(filter yes,$(PLANTED)),-planted) | grep -E '^ *(figure|FAIL|ok|panic|--- FAIL)|: seed |planted_test.go'
	@$(if $(filter yes,$(PLANTED)),OUTAGE_HOURS=72 OUTAGE_EXCHANGES=3000) $(GO) test ./connector/deliver -run '^TestOutage$$' -count=1 -timeout 30m -v | grep -E '^ *(figure|FAIL|ok|panic|--- FAIL|.*_test.go)'

.PHONY: bench
bench: prove ## What Chartwire costs, in ratios to the least that has to be done. SECONDS=1 is a quick look.
	@bin/prove bench $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only $(ONLY))

.PHONY: microbench
microbench: ## Benchmarks of decode, plan, gate, seal and one commit on each store.
	@$(GO) test -run '^$$' -bench 'Decode|Plan|Gate|Seal|Commit|Drain' -benchmem ./adapters/... ./fhir/validate ./connector/...
