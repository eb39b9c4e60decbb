# make demo   everything from nothing to a pruned real model
# make test   unit tests and end-to-end tests against the oracles
# make build  build/release/sleb
# make lint   clang-format and clang-tidy; warnings are errors
# make bench  search and loading, against transformers (minutes to hours)

.PHONY: demo build test lint format bench clean
BUILD := build/release

demo: build
	scripts/demo.sh

build:
	scripts/setup.sh build
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release -DSLEB_TESTS=OFF
	cmake --build $(BUILD) --target sleb

test:
	scripts/setup.sh test
	cmake --preset release -DSLEB_TESTS=ON
	cmake --build $(BUILD)
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error
	.venv/bin/python -m pytest tests

lint:
	scripts/setup.sh lint
	scripts/lint.sh

format:
	git ls-files '*.h' '*.cpp' | xargs clang-format -i

bench:
	scripts/setup.sh test
	.venv/bin/python bench/search.py
	.venv/bin/python bench/loading.py
	.venv/bin/python bench/linear.py

clean:
	rm -rf build out
