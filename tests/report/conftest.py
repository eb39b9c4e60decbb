import pathlib

import numpy as np
import pytest

import searched_folder
from searches import SEARCHES
from tiny_models import random_ids


@pytest.fixture(scope="session")
def ground(tmp_path_factory) -> pathlib.Path:
    """A model, a text, rows of a task."""
    folder = searched_folder.save(tmp_path_factory.mktemp("report"), ["piqa"], num_hidden_layers=8)
    np.save(folder / "ids.npy", random_ids(2400))
    return folder


@pytest.fixture(scope="session")
def results(sleb_ok, ground) -> dict[str, pathlib.Path]:
    """A result of each kind of search; the repaired one evaluated."""
    evaluation = ["--eval-ppl", "text.txt,other.txt", "--eval-tasks", "piqa", "--tasks-data", ground]
    for name, options in SEARCHES.items():
        text = ["--dataset", "text.txt"] if name == "repaired" else ["--tokens", "ids.npy"]
        more = evaluation if name == "repaired" else []
        sleb_ok("prune", "model", *text, "--seqlen", 60, "--dtype", "float32", "--num-remove-blocks", 3, *options, *more,
                "--prompt-tokens", 16, "--json", f"{name}.json", "--report", f"{name}.html", cwd=ground)
    return {name: ground / f"{name}.json" for name in SEARCHES}
