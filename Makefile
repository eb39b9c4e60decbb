# make demo      everything from nothing to a pruned real model
# make test      unit tests and end-to-end tests against the oracles, of tests with many variants a sample
# make e2e       the latter alone, with TEST_OPTIONS, for example "--most-variants 4" for a smaller sample
# make test-all  the same with every variant, and the slow tests
# make build     build/release/sleb
# make asan      unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make tsan      unit tests under ThreadSanitizer
# make fuzz      every reader of untrusted files against libFuzzer, FUZZ_SECONDS (60) each
# make lint      clang-format, clang-tidy, ruff and mypy; warnings are errors
# make bench     search, evaluation, latency, tokenizing and loading, against others (minutes to hours)

.PHONY: demo build build-tests test test-all e2e asan tsan build-fuzz fuzz lint format bench clean
BUILD := build/release
FUZZ_SECONDS := 60
# End-to-end tests side by side, with one thread each: libtorch's threads wait actively, and keep each other from work.
# More than there are cores, since many tests wait: for servers, for signals, for a second process.
TEST_WORKERS := $(shell nproc | awk '{ workers = int($$1 * 3 / 2); print workers < 8 ? workers : 8 }')
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest tests -n $(TEST_WORKERS) --dist worksteal

demo: build
	scripts/demo.sh

build:
	scripts/setup.sh build
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release -DSLEB_TESTS=OFF
	cmake --build $(BUILD) --target sleb

test: build-tests
	$(PYTEST)

e2e:
	scripts/setup.sh test
	cmake --preset release -DSLEB_TESTS=ON
	cmake --build $(BUILD) --target sleb tests/all
	$(PYTEST) $(TEST_OPTIONS)

test-all: build-tests
	$(PYTEST) --whole

build-tests:
	python3 scripts/check_layers.py
	scripts/setup.sh test
	cmake --preset release -DSLEB_TESTS=ON
	cmake --build $(BUILD)
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j "$$(nproc)"

asan:
	scripts/setup.sh test
	scripts/sanitize.sh asan-ubsan

tsan:
	scripts/setup.sh test
	scripts/sanitize.sh tsan

build-fuzz:
	scripts/setup.sh fuzz
	cmake --preset fuzz
	cmake --build build/fuzz

fuzz: build-fuzz
	.venv/bin/python fuzz/seeds.py build/fuzz/seeds
	.venv/bin/python fuzz/run.py --seconds $(FUZZ_SECONDS)

lint:
	scripts/setup.sh lint
	scripts/lint.sh

format:
	git ls-files '*.h' '*.cpp' | xargs clang-format -i

bench:
	scripts/setup.sh bench
	.venv/bin/python bench/search.py
	.venv/bin/python bench/search_growth.py
	.venv/bin/python bench/repair.py
	.venv/bin/python bench/streaming.py
	.venv/bin/python bench/ranks.py
	.venv/bin/python bench/eval_perplexity.py
	.venv/bin/python bench/eval_tasks.py
	.venv/bin/python bench/latency.py
	.venv/bin/python bench/packed_decoding.py
	.venv/bin/python bench/tokenizer.py
	.venv/bin/python bench/loading.py
	.venv/bin/python bench/linear.py

clean:
	rm -rf build out
