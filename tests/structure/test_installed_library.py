"""`cmake --install` and find_package(sleb): examples/propose_plans is built against an installed prefix, and reads the losses
that `sleb eval` reads."""
import json
import math
import pathlib
import re
import subprocess

import pytest

from programs import BUILD, ROOT
from tiny_models import save_model, save_tokenizer

EXAMPLE = ROOT / "examples" / "propose_plans"


def cmake(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, check=False)


def done(finished: subprocess.CompletedProcess) -> str:
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> pathlib.Path:
    """An installed sleb, moved after it was installed."""
    folder = tmp_path_factory.mktemp("prefix")
    done(cmake("--install", BUILD, "--prefix", folder / "first"))
    return (folder / "first").rename(folder / "moved")


def configure(prefix: pathlib.Path, build: pathlib.Path) -> subprocess.CompletedProcess:
    sanitizers = re.search(r"^SLEB_SANITIZE:\w+=(.+)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    flags = f"-fsanitize={sanitizers[1]}" if sanitizers else ""
    return cmake("-S", EXAMPLE, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_FLAGS={flags}")


@pytest.fixture(scope="module")
def example(prefix, tmp_path_factory) -> pathlib.Path:
    build = tmp_path_factory.mktemp("example")
    done(configure(prefix, build))
    done(cmake("--build", build))
    return build / "propose_plans"


def test_the_example_reads_the_losses_of_sleb_eval(example, tmp_path, sleb_ok):
    model = save_tokenizer(save_model(tmp_path / "model", seed=4, num_hidden_layers=3))
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog.\n" * 60)
    run = subprocess.run([example, model, text, "100"], capture_output=True, text=True, check=True)
    losses = [float(line.split(": ")[1].removesuffix(" nats")) for line in run.stdout.splitlines()]
    lists = [argument for block in range(3) for argument in ("--removal-list", block)]
    details = json.loads(sleb_ok("eval", model, "--ppl", text, "--seqlen", 100, "--dtype", "float32", *lists, "--json", "-"))
    text_details = details["perplexity_details"][str(text)]
    tokens = text_details["segments"] * 99
    assert losses == pytest.approx([math.log(row["perplexity"]) * tokens for row in text_details["rows"]], rel=1e-7)
    assert len(losses) == 4 and losses[1] != losses[0]


def test_the_examples_errors(example, tmp_path):
    failed = subprocess.run([example, tmp_path, "x", "100"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and failed.stderr.startswith(str(tmp_path)) and failed.stderr.count("\n") == 1


def test_installed_programs_run(prefix, tmp_path):
    save_tokenizer(save_model(tmp_path / "model", num_hidden_layers=2))
    (tmp_path / "text.txt").write_text("abc\n" * 99)
    command = [prefix / "bin" / "sleb", "eval", tmp_path / "model", "--ppl", tmp_path / "text.txt", "--seqlen", "9"]
    assert "perplexity" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_another_libtorch_is_refused(prefix, tmp_path):
    config = next(prefix.glob("lib*/**/sleb-config.cmake"))
    original = config.read_text()
    version = re.search(r'SLEB_LIBTORCH_VERSION}" STREQUAL "([^"]+)"', original)[1]
    config.write_text(original.replace(version, "1.0.0"))
    try:
        failed = configure(prefix, tmp_path / "build")
    finally:
        config.write_text(original)
    assert failed.returncode != 0
    said = " ".join(failed.stderr.split())
    assert "this sleb is built against torch 1.0.0 and pyarrow" in said and f"found are torch {version}" in said
