"""lm-evaluation-harness on rows of our own: its definitions of the tasks, with only the data set replaced."""
import os
import pathlib
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="sleb-datasets-")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import lm_eval
import lm_eval.tasks
import transformers
from lm_eval.api.model import CacheHook
from lm_eval.models.huggingface import HFLM

HARNESS = pathlib.Path(lm_eval.__file__).parent / "tasks"
DEFINITIONS = {  # task: (the harness's file, the split that it scores)
    "piqa": ("piqa/piqa.yaml", "validation"),
    "winogrande": ("winogrande/default.yaml", "validation"),
    "hellaswag": ("hellaswag/hellaswag.yaml", "validation"),
    "arc_easy": ("arc/arc_easy.yaml", "test"),
    "arc_challenge": ("arc/arc_challenge.yaml", "test"),
    "lambada_openai": ("lambada/lambada_openai.yaml", "test"),
    "boolq": ("super_glue/boolq/default.yaml", "validation"),
    "openbookqa": ("openbookqa/openbookqa.yaml", "test"),
    "sciq": ("sciq/sciq.yaml", "test"),
    "wikitext": ("wikitext/wikitext.yaml", "test"),
}


def definitions(folder: pathlib.Path, rows: pathlib.Path, sampler: str = "default") -> lm_eval.tasks.TaskManager:
    """The tasks whose rows are in the folder `rows`, under names with "local_" in front; TASK.train.jsonl there holds
    the examples of few-shot prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    for task, (definition, split) in DEFINITIONS.items():
        files = [path for path in rows.glob(f"{task}.*") if ".train." not in path.name]
        if not files:
            continue
        train = rows / f"{task}.train.jsonl"
        unused = {"test": "validation", "validation": "test"}[split]
        (folder / f"local_{task}.yaml").write_text("\n".join([
            f"include: {HARNESS / definition}", f"task: local_{task}", "dataset_path: json", "dataset_name: null",
            "dataset_kwargs:", "  data_files:", f"    {split}: {files[0]}",
            *([f"    train: {train}"] if train.exists() else []),
            f"training_split: {'train' if train.exists() else 'null'}", f"{unused}_split: null",
            "fewshot_config:", f"  sampler: {sampler}"]) + "\n")
    return lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)


class Recorder(HFLM):
    """Takes the place of a model and keeps the token ids that the harness would run it on."""

    def __init__(self, tokenizer, max_length: int):  # pylint: disable=super-init-not-called
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = self.custom_prefix_token_id = self.enable_thinking = None
        self._max_length = max_length
        self._rank, self._world_size = 0, 1
        self.batch_size_per_gpu = 1
        self.cache_hook = CacheHook(None)
        self.kept: list[tuple[list[int], int]] = []

    def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
        for _, context, continuation in requests:
            assert context and continuation and len(continuation) <= self.max_length
            self.kept.append(((context + continuation)[-(self.max_length + 1):], len(continuation)))
        return [(0.0, False)] * len(requests)

    def sequences(self, task) -> list[tuple[list[int], int]]:
        self.kept = []
        call = self.loglikelihood_rolling if task.OUTPUT_TYPE == "loglikelihood_rolling" else self.loglikelihood
        call(task.instances, disable_tqdm=True)
        return self.kept


def build_tasks(manager, names, limit: int | None = None, examples: int = 0, seed: int = 1234) -> dict:
    """The tasks by their names, with their requests made."""
    loaded = manager.load([f"local_{name}" for name in names])["tasks"]
    for task in loaded.values():
        task.set_config("num_fewshot", examples)
        task.set_fewshot_seed(seed)
        task.build_all_requests(limit=limit)
    return {name: loaded[f"local_{name}"] for name in names}


def tokenizer_of(model: pathlib.Path):
    return transformers.AutoTokenizer.from_pretrained(model)


def run(model: pathlib.Path, rows: pathlib.Path, names, folder: pathlib.Path, limit: int | None = None,
        batch_size: int = 8) -> tuple[dict, float]:
    """The harness's results for a model in float32, and the seconds they took after the model was loaded."""
    lm = HFLM(pretrained=str(model), dtype="float32", batch_size=batch_size, device="cpu")
    manager = definitions(folder, rows)
    start = time.perf_counter()
    results = lm_eval.simple_evaluate(model=lm, tasks=[f"local_{name}" for name in names], task_manager=manager,
                                      bootstrap_iters=0, limit=limit)
    return results, time.perf_counter() - start


def by_task(results: dict, names) -> dict:
    """{task: {"samples": [{"lls", metric: value}], metric: value}}"""
    tasks = {}
    for task in names:
        metrics = {key.removesuffix(",none"): value for key, value in results["results"][f"local_{task}"].items()
                   if key.endswith(",none") and "_stderr" not in key}
        samples = []
        for sample in sorted(results["samples"][f"local_{task}"], key=lambda sample: sample["doc_id"]):
            first = [response[0] for response in sample["resps"]]
            lls = [float(value[0] if isinstance(value, (tuple, list)) else value) for value in first]
            samples.append({"lls": lls, **{key: sample[key] for key in ("acc", "acc_norm") if key in sample}})
        tasks[task] = {"samples": samples, **metrics}
    return tasks
