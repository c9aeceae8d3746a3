# Florin. `make help` tells what there is.
#
# One file, no recursion but for variants of the build (asan, failpoints), each in a folder of its
# own. Sources are found by folder; what a folder may link is the table of the design:
#   lib < ledger, proto < store, client < workers/runtime < workers/*; broker uses lib and proto.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
# The variant: asan, failpoints, or nothing.
VARIANT ?=

CC ?= cc
# libmicrohttpd serves metrics: a parser of HTTP that meets strangers is better not written twice.
PKGS := libczmq libzmq libsodium libprotobuf-c libpq jansson libmicrohttpd

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef
HARDENING := -fstack-protector-strong -fPIC -fvisibility=hidden
OPTIMISE := -O2 -D_FORTIFY_SOURCE=2
LINK_HARDENING := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifeq ($(VARIANT),asan)
OPTIMISE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK_HARDENING += -fsanitize=address,undefined
endif
ifeq ($(VARIANT),failpoints)
OPTIMISE += -DFLORIN_FAILPOINTS
endif

# Asked once, when first needed: the packages may have been installed by this very run.
PKG_CFLAGS  = $(eval PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS))))$(PKG_CFLAGS)
PKG_LIBS    = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
CPPFLAGS    = -D_GNU_SOURCE -DFLORIN_VERSION=\"$(VERSION)\" -I. -isystem $(BUILD)/proto $(PKG_CFLAGS)
CFLAGS     := -std=c11 -g $(OPTIMISE) $(WARNINGS) $(HARDENING)
COMPILE     = $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
LINK        = $(CC) $(LINK_HARDENING) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS) -lpthread -lm

# ---------------------------------------------------------------------------------- packages

# All that the goals at hand need is installed, or named as missing, in one go and before anything
# is compiled; a stamp a set of purposes, made anew when the list of packages changes.
PURPOSES := build $(if $(filter run test asan bench bench-quick chaos,$(MAKECMDGOALS)),run) \
            $(if $(filter test asan fuzz lint chaos,$(MAKECMDGOALS)),test) \
            $(if $(filter lint,$(MAKECMDGOALS)),lint)
DEPS := $(BUILD)/deps-$(subst $() ,-,$(strip $(PURPOSES)))

$(DEPS): ops/deps
	@ops/deps $(PURPOSES)
	@mkdir -p $(@D) && touch $@

# ---------------------------------------------------------------------------------- the libraries

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)))

PROTO_C := $(BUILD)/proto/florin/v1/florin.pb-c.c
PROTO_H := $(PROTO_C:.c=.h)
BROKER_MAIN := $(call objects,broker/main.c)

LIB    := $(BUILD)/lib/libbase.a
PROTO  := $(BUILD)/lib/libproto.a
LEDGER := $(BUILD)/lib/libledger.a
STORE  := $(BUILD)/lib/libstore.a
BROKER := $(BUILD)/lib/libbroker.a
WORKER := $(BUILD)/lib/libworker.a
CLIENT := $(BUILD)/lib/libflorin.a

LIB_O    := $(call objects,lib/*.c)
PROTO_O  := $(BUILD)/obj/proto/florin.pb-c.o
# What libflorin needs: a client serves no metrics.
CLIENT_O := $(call objects,client/*.c) $(PROTO_O) $(filter-out %/metrics_http.o,$(LIB_O))

$(LIB):    $(LIB_O)
$(PROTO):  $(PROTO_O)
$(LEDGER): $(call objects,ledger/*.c)
$(STORE):  $(call objects,store/*.c store/*/*.c)
$(BROKER): $(filter-out $(BROKER_MAIN),$(call objects,broker/*.c))
$(WORKER): $(call objects,workers/runtime/*.c workers/runtime/*/*.c)
$(CLIENT): $(CLIENT_O)

$(BUILD)/lib/%.a:
	@mkdir -p $(@D) && rm -f $@
	@ar rcs $@ $^

# ---------------------------------------------------------------------------------- the programs

PROGRAMS := florin florin-broker florin-accounts florin-transactions florin-risk florin-admin
BINARIES := $(PROGRAMS:%=$(BUILD)/bin/%)
# What measures is built with the rest, and not installed.
BENCH     := $(BUILD)/bin/florin-bench
BENCH_RAW := $(BUILD)/bin/florin-bench-raw

$(BUILD)/bin/florin-broker: $(BROKER_MAIN) $(BROKER) $(PROTO) $(LIB)
$(BUILD)/bin/florin: $(call objects,client/cli/*.c) $(CLIENT)
$(BUILD)/bin/florin-admin: $(call objects,ops/admin/*.c) $(STORE) $(LEDGER) $(LIB)
$(BUILD)/bin/florin-accounts: $(call objects,workers/accounts/*.c)
$(BUILD)/bin/florin-transactions: $(call objects,workers/transactions/*.c)
$(BUILD)/bin/florin-risk: $(call objects,workers/risk/*.c)
$(BUILD)/bin/florin-accounts $(BUILD)/bin/florin-transactions $(BUILD)/bin/florin-risk: \
    $(WORKER) $(STORE) $(LEDGER) $(CLIENT) $(LIB)
$(BENCH): $(filter-out %/raw.o,$(call objects,bench/*.c)) $(CLIENT)
$(BENCH_RAW): $(call objects,bench/raw.c bench/result.c bench/traffic.c) $(STORE) $(LIB)

$(BINARIES) $(BENCH) $(BENCH_RAW):
	@mkdir -p $(@D)
	@echo "  link     $@"
	@$(LINK)

# For programs outside: what client/florin.h and the headers it includes declare.
SHARED := $(BUILD)/lib/libflorin.so.$(VERSION)
$(SHARED): $(CLIENT_O)
	@echo "  link     $@"
	@$(CC) -shared -Wl,-soname,libflorin.so.0 $(filter-out -pie,$(LINK_HARDENING)) -o $@ $^ $(PKG_LIBS) -lpthread

all: $(BINARIES) $(BENCH) $(BENCH_RAW) $(SHARED) ## build every program (the default)
.DEFAULT_GOAL := all

$(BUILD)/obj/%.o: %.c $(PROTO_H) Makefile
	@mkdir -p $(@D)
	@echo "  compile  $<"
	@$(COMPILE)

# Everything is compiled after the messages, and so after the packages are there.
$(PROTO_C) $(PROTO_H) &: proto/florin/v1/florin.proto | $(DEPS)
	@mkdir -p $(BUILD)/proto
	@echo "  protoc   $<"
	@protoc-c -Iproto --c_out=$(BUILD)/proto $<

$(PROTO_O): $(PROTO_C) Makefile
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=c11 -g $(OPTIMISE) $(filter-out -fvisibility=%,$(HARDENING)) -c -o $@ $<

# ---------------------------------------------------------------------------------- unit tests

# test/<folder>/<name>_test.c is a cmocka program that links what its folder may use.
UNIT_SOURCES := $(wildcard test/*/*_test.c)
UNIT_TESTS   := $(UNIT_SOURCES:test/%.c=$(BUILD)/test/%)

links_lib     := $(LIB)
links_ledger  := $(LEDGER)
links_broker  := $(BROKER) $(PROTO) $(LIB)
links_store   := $(STORE) $(LEDGER) $(LIB)
links_client  := $(filter-out %/main.o,$(call objects,client/cli/*.c)) $(CLIENT)
links_workers := $(WORKER) $(STORE) $(LEDGER) $(CLIENT) $(LIB)

define unit_test
$(BUILD)/test/$(1): $(BUILD)/obj/test/$(1).o $(call objects,test/$(dir $(1))support/*.c) \
    $(links_$(patsubst %/,%,$(dir $(1))))
	@mkdir -p $$(@D)
	@$$(LINK) -lcmocka
endef
$(foreach test,$(UNIT_SOURCES:test/%.c=%),$(eval $(call unit_test,$(test))))

# The network between the hosts of a chaos run.
WIRE := $(BUILD)/test/chaos/wire
$(WIRE): $(BUILD)/obj/test/chaos/wire.o
	@mkdir -p $(@D)
	@$(CC) $(LINK_HARDENING) -o $@ $^

# ---------------------------------------------------------------------------------- what to ask for

deps: ## install the packages it takes to build, run, test and lint
	@ops/deps

RUN ?= run

run: all ## start a cluster in run/ and make the first payment on it
	@ops/cluster up --dir $(RUN) --bin $(BUILD)/bin
	@ops/first-payment --dir $(RUN) --bin $(BUILD)/bin

stop: ## stop that cluster; its books stay in run/
	@ops/cluster down --dir $(RUN)

TO := $(DESTDIR)$(PREFIX)

install: all ## install programs, library, schema and manual under PREFIX=/usr/local DESTDIR=
	install -d $(TO)/bin $(TO)/lib/pkgconfig $(TO)/include/florin/lib $(TO)/include/florin/florin/v1
	install -d $(TO)/share/florin/sql/control $(TO)/share/florin/sql/shard $(TO)/share/man/man1
	install -m 755 $(BINARIES) $(TO)/bin
	install -m 644 $(CLIENT) $(SHARED) $(TO)/lib
	ln -sf $(notdir $(SHARED)) $(TO)/lib/libflorin.so.0
	ln -sf libflorin.so.0 $(TO)/lib/libflorin.so
	install -m 644 client/florin.h $(TO)/include/florin
	install -m 644 lib/error.h lib/id.h lib/limits.h lib/money.h $(TO)/include/florin/lib
	install -m 644 $(PROTO_H) $(TO)/include/florin/florin/v1
	install -m 644 sql/control/*.sql $(TO)/share/florin/sql/control
	install -m 644 sql/shard/*.sql $(TO)/share/florin/sql/shard
	install -m 644 docs/man/*.1 $(TO)/share/man/man1
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' client/florin.pc.in >$(TO)/lib/pkgconfig/florin.pc

unit-tests: $(UNIT_TESTS)

# Named failpoints are compiled into a build of their own.
FAILPOINTS ?= $(BUILD)/failpoints
failpoints: $(PROTO_H)
	@$(MAKE) --no-print-directory VARIANT=failpoints BUILD=$(FAILPOINTS) DEPS=$(DEPS) \
	    all $(FAILPOINTS)/test/store/crash_test

export FLORIN_BIN = $(abspath $(BUILD)/bin)
export FLORIN_BIN_FAILPOINTS = $(abspath $(FAILPOINTS)/bin)
export FLORIN_WIRE = $(abspath $(WIRE))

SYSTEM_TESTS := $(notdir $(basename $(wildcard test/system/*_test.py)))

test: all unit-tests failpoints $(WIRE) ## run all tests
	@test/run $(BUILD)/test-logs test/protocol_check.py \
	    $(filter-out %/store/crash_test,$(UNIT_TESTS)) \
	    $(FAILPOINTS)/test/store/crash_test \
	    $(SYSTEM_TESTS:%="test/system/run %")

asan: $(DEPS) ## run all tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan BUILD=$(BUILD)/asan DEPS=$(DEPS) \
	    FAILPOINTS=$(FAILPOINTS) test

C_SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
SCRIPTS   := $(shell git grep -lE '^\#!.*bash' -- . 2>/dev/null)

lint: $(PROTO_H) ## check format, layers and code (clang-tidy, cppcheck, shellcheck)
	@test -n "$(C_SOURCES)" || { echo "git does not list the sources: is this a checkout of yours?"; exit 1; }
	@echo "  format"
	@clang-format --dry-run -Werror $(C_SOURCES)
	@echo "  layers"
	@test/layers
	@echo "  shellcheck"
	@shellcheck $(SCRIPTS)
	@echo "  cppcheck"
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
	    --inline-suppr --suppressions-list=.cppcheck -I. -j$(shell nproc) \
	    $(filter-out test/%,$(filter %.c,$(C_SOURCES)))
	@echo "  clang-tidy"
	@printf '%s\n' $(filter-out test/fuzz/%,$(filter %.c,$(C_SOURCES))) | xargs -P$(shell nproc) -n4 sh -c \
	    'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- -std=c11 $(CPPFLAGS) 2>/dev/null || exit 255' -

bench: all ## measure Florin against its peers: a table, growth, memory (half an hour)
	@bench/run --bin $(BUILD)/bin table growth memory

bench-quick: ## the same in under a minute, as lines of JSON and nothing else
	@$(MAKE) --no-print-directory PURPOSES="$(PURPOSES)" all >&2
	@bench/run --bin $(BUILD)/bin quick

SECONDS ?= 60
fuzz: $(DEPS) ## fuzz each parser for SECONDS=60
	@test/fuzz/run $(SECONDS)

chaos: all $(WIRE) ## break a cluster under load for SECONDS=60, by SEED=N, CLASSES=new,..., and check all promises
	@test/chaos/run --bin $(BUILD)/bin --seconds $(SECONDS) $(SEED:%=--seed %) $(if $(CLASSES),--classes "$(CLASSES)")

help: ## this text
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

clean: ## take the build away
	rm -rf $(BUILD)

.PHONY: all deps lint install run stop unit-tests failpoints test asan bench bench-quick fuzz chaos help \
        clean
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc)
endif
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
