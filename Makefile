# The palette of commands; the build itself is described in CMakeLists.txt alone.

PRESET ?= dev
T ?= .
F ?= http1
FUZZ_SECONDS ?= 60
LINEAR_OPS ?= 1000000
DATA ?= build/run
CUTS ?= 100000

.PHONY: all dev release test format lint check fuzz tsan bench bench-client coord crash linear run install clean

all: dev

dev tsan: %: build/%/build.ninja
	cmake --build build/$@

release: build/release/build.ninja
	cmake --build build/release

build/%/build.ninja:
	cmake --preset $* >/dev/null

test: dev
	ctest --test-dir build/dev --output-on-failure -R '$(T)'

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

lint:
	tools/lint

check:
	./check

fuzz: build/fuzz/build.ninja
	cmake --build build/fuzz --target fuzz_$(F)
	tools/fuzz $(F) $(FUZZ_SECONDS)

bench: build/bench/build.ninja
	cmake --build build/bench
	tools/bench

# tarn beside other clients; installs those below build/bench/tools.
bench-client: build/bench/build.ninja
	cmake --build build/bench --target tarn tarn-bench-null tarn-bench-measure
	tools/bench-client

linear: build/bench/build.ninja
	cmake --build build/bench --target tarnd tarn-linear
	build/bench/bin/tarn-linear --tarnd build/bench/bin/tarnd --ops $(LINEAR_OPS) --kill-every 3000

# Half an hour: locks, counters and copies of many processes, with and without faults; a stream of 6 GiB.
coord: build/bench/build.ninja
	cmake --build build/bench --target tarnd tarn tarn-coord
	TARN_BIN=$(CURDIR)/build/bench/bin COORD_LONG=1 .venv/bin/python -m pytest tests/integration/test_coord_races.py -q -s

# Half an hour and more: each call of the script cut and failed, then random runs.
crash: build/bench/build.ninja
	cmake --build build/bench --target tarn-crash
	build/bench/bin/tarn-crash --cuts $(CUTS) --faults 1 --flips 10000 --jobs $$(nproc)

run: dev
	build/dev/bin/tarnd --data $(DATA)

install: release
	cmake --install build/release

clean:
	rm -rf build
