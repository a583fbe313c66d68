# rosterd: make help lists the targets.

SHELL   := /bin/bash
MODULE  := github.com/rosterd/rosterd
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)

# Where `make install` puts things. A package sets DESTDIR and PREFIX=/usr.
PREFIX     ?= /usr/local
BINDIR     := $(PREFIX)/bin
UNITDIR    := $(PREFIX)/lib/systemd/system
SYSUSERS   := $(PREFIX)/lib/sysusers.d
TMPFILES   := $(PREFIX)/lib/tmpfiles.d
CONFDIR    := /etc/rosterd
EXAMPLE    := config.example.yaml

PROGRAMS := rosterd rosterctl rostersim
# rostersim is for demos and tests; it is built but never installed.
INSTALLED := rosterd rosterctl

# The checking tools, pinned. A new pin is a new file name, so make builds it again.
GOLANGCI_LINT_VERSION := v2.15.0
GOFUMPT_VERSION       := v0.12.0
GOIMPORTS_VERSION     := v0.52.0

TOOLS         := $(CURDIR)/bin/tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOFUMPT       := $(TOOLS)/gofumpt-$(GOFUMPT_VERSION)
GOIMPORTS     := $(TOOLS)/goimports-$(GOIMPORTS_VERSION)

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help build demo test check static generated generate race fmt units kill bench setup tools install uninstall clean $(PROGRAMS)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: $(PROGRAMS) ## build bin/rosterd, bin/rosterctl and bin/rostersim; needs nothing but Go

# No cgo: the programs are static and run on any Linux of the same architecture.
$(PROGRAMS):
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/$@ ./cmd/$@

demo: build ## a simulated org flows into a dialer's directory; DEMO_SECONDS=20 ends by itself
	@exec scripts/demo

test: ## everything: set-up, checks, the unit file, all tests with -race on SQLite and Postgres
	@scripts/test

check: static generated race ## what to run before a push: the static checks, and all tests with -race

# golangci-lint holds vet's and the formatters' findings too; the plain tools have the last word.
static: tools ## gofumpt, goimports, go vet, golangci-lint
	@scripts/unformatted $(GOFUMPT) -l .
	@scripts/unformatted $(GOIMPORTS) -local $(MODULE) -l .
	@go vet ./...
	@$(GOLANGCI_LINT) run ./...

generated: tools ## that the generated code is what its source says
	@GOIMPORTS="$(GOIMPORTS) -local $(MODULE)" scripts/generate --check

generate: tools ## write the generated code anew
	@GOIMPORTS="$(GOIMPORTS) -local $(MODULE)" scripts/generate

race: ## all tests with -race; ROSTERD_TEST_POSTGRES=<url> adds Postgres
	@go test -race -count=1 -timeout 30m -p 2 ./...

fmt: tools ## rewrite the Go files as check wants them
	@$(GOFUMPT) -w . && $(GOIMPORTS) -local $(MODULE) -w .

units: build ## install into a scratch root and let systemd judge the unit there
	@scripts/check-units

kill: ## two hundred kill -9 in mid-sync on each store, then compare the directory with the org; takes a quarter of an hour
	@ROSTERD_E2E_KILLS=200 scripts/with-postgres go test -count=1 -timeout 60m -run Kill ./e2e

bench: build ## each figure beside its floor, on SQLite and on a private Postgres; BENCH_ARGS is passed on
	@scripts/with-postgres go run ./bench $(BENCH_ARGS)

setup: ## install the Debian packages that make test needs and the machine lacks
	@scripts/setup

tools: $(GOLANGCI_LINT) $(GOFUMPT) $(GOIMPORTS)

# The compiled packages land in Go's build cache, so a second checkout installs in seconds.
define go_tool
$(1):
	@mkdir -p $$(TOOLS) && echo "installing $$(notdir $$@)"
	@GOBIN=$$(TOOLS) GOFLAGS= go install $(2) 2>$$@.log || { cat $$@.log >&2; exit 1; }
	@rm $$@.log && mv $$(TOOLS)/$(3) $$@
endef
$(eval $(call go_tool,$(GOLANGCI_LINT),github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION),golangci-lint))
$(eval $(call go_tool,$(GOFUMPT),mvdan.cc/gofumpt@$(GOFUMPT_VERSION),gofumpt))
$(eval $(call go_tool,$(GOIMPORTS),golang.org/x/tools/cmd/goimports@$(GOIMPORTS_VERSION),goimports))

install: ## install programs, unit, system user and example config; keeps a config that is there
	@for p in $(INSTALLED); do test -x bin/$$p || { echo "bin/$$p is missing: run make build first" >&2; exit 1; }; done
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(UNITDIR) $(SYSUSERS) $(TMPFILES) $(CONFDIR))
	install -m 0755 $(addprefix bin/,$(INSTALLED)) $(DESTDIR)$(BINDIR)
	sed 's|/usr/bin/rosterd |$(BINDIR)/rosterd |' systemd/rosterd.service > $(DESTDIR)$(UNITDIR)/rosterd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/rosterd.service
	install -m 0644 systemd/sysusers.d/rosterd.conf $(DESTDIR)$(SYSUSERS)/rosterd.conf
	install -m 0644 systemd/tmpfiles.d/rosterd.conf $(DESTDIR)$(TMPFILES)/rosterd.conf
	install -m 0644 $(EXAMPLE) $(DESTDIR)$(CONFDIR)/config.example.yaml
	test -e $(DESTDIR)$(CONFDIR)/config.yaml || install -m 0644 $(EXAMPLE) $(DESTDIR)$(CONFDIR)/config.yaml
	@test -n "$(DESTDIR)" || printf '%s\n' "" "next: edit $(CONFDIR)/config.yaml, then" \
		"  systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload" \
		"  CREDENTIALS_DIRECTORY=$(CONFDIR) rosterd check --config $(CONFDIR)/config.yaml && systemctl enable --now rosterd"

uninstall: ## remove what install put there; configuration and data stay
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(INSTALLED)) $(DESTDIR)$(UNITDIR)/rosterd.service
	rm -f $(DESTDIR)$(SYSUSERS)/rosterd.conf $(DESTDIR)$(TMPFILES)/rosterd.conf $(DESTDIR)$(CONFDIR)/config.example.yaml

clean: ## remove built programs and bench output; the pinned tools stay
	rm -rf $(addprefix bin/,$(PROGRAMS)) bench/out
