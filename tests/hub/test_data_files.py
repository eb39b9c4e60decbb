"""Which files belong to a split: as fsspec matches patterns and Hugging Face datasets tells files by cards and names."""
import itertools
import json
import random
import re

import fsspec.utils
import pytest
from datasets import data_files
from datasets.load import _ALL_ALLOWED_EXTENSIONS, infer_module_for_data_files
from datasets.packaged_modules import _MODULE_TO_EXTENSIONS
from huggingface_hub import DatasetCard

from hub.data_cards import CARDS
from hub.data_sets import write
from programs import BUILD, run


def answers(questions: list[dict]) -> list:
    done = run(BUILD / "tests" / "hub" / "data_files_dump", input="".join(json.dumps(line) + "\n" for line in questions).encode())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_patterns_match_as_fsspecs():
    chance = random.Random(1)
    parts = ["*", "**", "?", "a", "b*", "*[-._ 0-9]", "[!a]", "[a-c]x", "[]a]", "[", "[b", "[z-a]", "[a-]", "é", "?é", "a.b", "[^a]"]
    names = ["a", "b", "ab", "b1", "x-", "cx", "é", "aé", "]", "[", "-", "a.b", "[b-", "^", "!", "train-1"]
    questions = []
    for _ in range(4000):
        pattern = "/".join("".join(chance.choices(parts, k=chance.choice((1, 1, 2)))) for _ in range(chance.randrange(1, 4)))
        paths = {"/".join(chance.choices(names, k=chance.randrange(1, 5))) for _ in range(20)}
        questions.append({"pattern": pattern, "paths": sorted(paths)})
    different = []
    for question, answer in zip(questions, answers(questions), strict=True):
        try:
            expression = re.compile(fsspec.utils.glob_translate(question["pattern"]))
        except ValueError:
            assert "error" in answer, question
            continue
        if answer != [path for path in question["paths"] if expression.match(path)]:
            different.append((question, answer))
    assert not different, different[:3]


def of_datasets(folder, readme: str) -> dict[str, dict[str, list[str]]]:
    """As load.py does it with a folder: of each configuration the files of each split."""
    configs = (DatasetCard(readme).data.to_dict().get("configs") if readme else None) or [{"config_name": "default"}]
    found = {}
    for config in configs:
        base = str(folder / config.get("data_dir", "")).rstrip("/")
        patterns = (data_files.sanitize_patterns(config["data_files"]) if "data_files" in config
                    else data_files.get_data_patterns(base))
        splits = data_files.DataFilesDict.from_patterns(patterns, base_path=base, allowed_extensions=_ALL_ALLOWED_EXTENSIONS)
        splits = {split: files for split, files in splits.items() if files}
        found[config["config_name"]] = {}
        for split, files in splits.items():
            module, _ = infer_module_for_data_files({split: files})
            kept = files.filter(extensions=_MODULE_TO_EXTENSIONS[module])
            found[config["config_name"]][split] = [file[len(str(folder)) + 1:] for file in kept]
    return found


FOLDERS = ["", "data/", "train/", "test/", "my_train/", "validation set/", "x/eval/", "contest/", "data/train-1/", "dev.d/", "__x__/", ".h/"]
FILES = ["train.csv", "test.csv", "a.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv", "x_test_1.csv", "valid.csv",
         "evaluation.csv", "trainer.csv", "latest.csv", "b.jsonl", ".hidden.csv", "a.txt", "x.csv.gz", "train.train.csv",
         "odd-00000-of-00001.csv", "config.json", "README.md", "a.py", "LICENSE"]


@pytest.mark.parametrize("seed", range(3))
def test_files_are_told_as_datasets_tells_them(tmp_path, seed):
    chance = random.Random(seed)
    every = [folder + file for folder, file in itertools.product(FOLDERS, FILES)]
    questions, expected = [], []
    for i in range(70):
        names = sorted({"a.csv", "data/a.csv", *chance.sample(every, chance.choice((1, 2, 4, 8)))} if i % 2 else
                       set(chance.sample(every, chance.choice((1, 2, 3, 4, 8)))))
        readme = f"---\n{chance.choice(CARDS)}---\n" if i % 2 else ""
        folder = write(tmp_path / str(i), {name: b"" for name in names})
        try:
            expected.append(of_datasets(folder, readme))
        except (ValueError, FileNotFoundError):  # DataFilesNotFoundError, EmptyDatasetError
            expected.append(None)
        questions.append({"readme": readme, "names": names})
    assert sum(answer is not None for answer in expected) > 40
    for question, answer, theirs in zip(questions, answers(questions), expected, strict=True):
        if theirs is None:
            assert "error" in answer or not any(answer.values()), question
        else:
            assert answer == theirs, question
