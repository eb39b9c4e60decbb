"""What searches and evaluations are tried on: a model, texts, rows of tasks."""
import pathlib

import generated_rows
from tiny_models import save_model, save_tokenizer


def save(folder: pathlib.Path, tasks: list[str], other: str = "other.txt", **options) -> pathlib.Path:
    save_tokenizer(save_model(folder / "model", seed=4, **options))
    (folder / "text.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 60)
    (folder / other).write_text("Pack my box with five dozen liquor jugs.\n" * 30)
    generated_rows.write(folder, 9, "validation", seed=5, tasks=tasks)
    return folder
