"""Requests of the zero-shot tasks, strings and token ids, are lm-evaluation-harness's."""
import json
import pathlib

import pytest

import generated_rows
from programs import BUILD, run

harness = pytest.importorskip("harness", reason="lm-eval is not installed")

SHARED_TASKS = ["piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge"]


def dump(*arguments) -> dict[str, list[dict]]:
    """The requests that sleb makes, by task."""
    done = run(BUILD / "tests" / "eval" / "task_requests_dump", *arguments, text=True)
    assert done.returncode == 0, done.stderr
    questions: dict[str, list[dict]] = {}
    for line in done.stdout.split("\n")[:-1]:
        question = json.loads(line)
        questions.setdefault(question["task"], []).append(question)
    return questions


def target(task, doc) -> int:
    """The index of the right choice."""
    if task.multiple_input:
        return task.doc_to_text(doc)
    return 0 if task.config.doc_to_choice is None else task.doc_to_target(doc)


def expect_same(ours: dict[str, list[dict]], tasks: dict, recorder) -> None:
    assert list(ours) == list(tasks)
    for name, task in tasks.items():
        requests = [list(instance.args) if len(instance.args) == 2 else ["", instance.args[0]]
                    for instance in task.instances]
        assert [pair for question in ours[name] for pair in question["requests"]] == requests, name
        ids = [(ids, scored) for question in ours[name] for ids, scored in question["sequences"]]
        assert ids == recorder.sequences(task), name
        docs = {instance.doc_id: instance.doc for instance in task.instances}
        assert [question["target"] for question in ours[name]] == [target(task, doc) for doc in docs.values()], name


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("rows")
    generated_rows.write(folder, 40, "train", seed=100)
    return generated_rows.write(folder, 60, "test")


@pytest.fixture(scope="module")
def models(tmp_path_factory, smollm2) -> dict[str, pathlib.Path]:
    """Folders with tokenizers alone: one that adds nothing, and one that puts BOS in front."""
    import tiny_models
    folder = tmp_path_factory.mktemp("tokenizers")
    return {"plain": smollm2, "with_bos": tiny_models.save_tokenizer(folder / "with_bos")}


@pytest.mark.parametrize("name", ["plain", "with_bos"])
@pytest.mark.parametrize("max_length", [2048, 33])
def test_generated_rows(name, max_length, rows, models, tmp_path):
    tasks = harness.build_tasks(harness.definitions(tmp_path, rows), generated_rows.TASKS)
    recorder = harness.Recorder(harness.tokenizer_of(models[name]), max_length)
    if max_length == 33 and name == "with_bos":  # bytes: most continuations alone are too long
        tasks = {task: tasks[task] for task in ("boolq", "wikitext")}
    elif max_length == 33:
        tasks = {task: tasks[task] for task in tasks if task not in ("piqa", "winogrande", "hellaswag")}
    ours = dump(models[name], ",".join(tasks), rows, max_length)
    assert all(len(questions) == 60 for questions in ours.values())
    expect_same(ours, tasks, recorder)


@pytest.mark.parametrize("sampler,seed", [("first_n", -1), ("default", 1234), ("default", 7)])
def test_examples_in_front(sampler, seed, rows, models, tmp_path):
    names = [task for task in generated_rows.TASKS if task != "wikitext"]
    manager = harness.definitions(tmp_path, rows, sampler)
    tasks = harness.build_tasks(manager, names, limit=20, examples=3, seed=max(seed, 0))
    ours = dump(models["plain"], ",".join(names), rows, 2048, 20, 3, seed)
    expect_same(ours, tasks, harness.Recorder(harness.tokenizer_of(models["plain"]), 2048))


@pytest.mark.parametrize("sampler,seed", [("first_n", -1), ("default", 1234)])
def test_examples_from_the_questions_own_rows(sampler, seed, models, tmp_path):
    """Where there are no rows to train on; the question's own row is left out."""
    names = ["piqa", "winogrande", "hellaswag", "boolq"]
    rows = generated_rows.write(tmp_path / "rows", 12, "validation", tasks=names)
    for name in names:  # one row twice
        path = rows / f"{name}.validation.jsonl"
        path.write_text(path.read_text() + path.read_text().split("\n", maxsplit=1)[0] + "\n")
    manager = harness.definitions(tmp_path / "definitions", rows, sampler)
    tasks = harness.build_tasks(manager, names, examples=4, seed=max(seed, 0))
    ours = dump(models["plain"], ",".join(names), rows, 2048, 0, 4, seed)
    expect_same(ours, tasks, harness.Recorder(harness.tokenizer_of(models["plain"]), 2048))


@pytest.mark.parametrize("limit", [200, pytest.param(None, marks=pytest.mark.slow)])
def test_real_rows(limit, shared, smollm2, tmp_path):
    rows = shared("data/zeroshot")
    tasks = harness.build_tasks(harness.definitions(tmp_path, rows), SHARED_TASKS, limit)
    ours = dump(smollm2, ",".join(SHARED_TASKS), rows, 8192, limit or 0)
    expect_same(ours, tasks, harness.Recorder(harness.tokenizer_of(smollm2), 8192))


@pytest.mark.parametrize("changes", [{}, {"bos_token": ..., "eos_token": "<bos>"}, {"bos_token": None, "eos_token": "!"},
                                     {"bos_token": ..., "eos_token": "a"}, {"bos_token": "?", "eos_token": "!"},
                                     {"bos_token": {"content": "<bos>", "__type": "AddedToken"}},
                                     {"bos_token": ..., "tokenizer_class": "GPT2Tokenizer"},
                                     {"bos_token": ..., "eos_token": ..., "tokenizer_class": "CohereTokenizer"},
                                     {"bos_token": ..., "eos_token": ..., "tokenizer_class": "LlamaTokenizer"},
                                     {"bos_token": None, "eos_token": ..., "tokenizer_class": "GPTNeoXTokenizerFast"}])
def test_the_token_in_front_of_an_empty_prompt(changes, tmp_path):
    import tiny_models
    tiny_models.save_tokenizer(tmp_path)
    tiny_models.edit_json(tmp_path / "tokenizer_config.json", **changes)
    generated_rows.write(tmp_path / "rows", 2, "test", tasks=["boolq"])
    theirs = harness.Recorder(harness.tokenizer_of(tmp_path), 2048).prefix_token_id
    assert dump(tmp_path, "boolq", tmp_path / "rows", 2048)["boolq"][0]["prefix"] == (-1 if theirs is None else theirs)


def test_tokens_that_only_a_file_beside_the_tokenizer_names(tmp_path):
    """They are one id in a task's rows as in any text."""
    import tiny_models
    tiny_models.save_tokenizer(tmp_path)
    tiny_models.edit_json(tmp_path / "tokenizer_config.json", eos_token="<e>")
    rows = generated_rows.write(tmp_path / "rows", 3, "test", tasks=["boolq"])
    path = rows / "boolq.test.jsonl"
    questions = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "passage": f"{row['passage']} <e>x"}) + "\n" for row in questions))
    tasks = harness.build_tasks(harness.definitions(tmp_path / "definitions", rows), ["boolq"])
    tokenizer = harness.tokenizer_of(tmp_path)
    ours = dump(tmp_path, "boolq", rows, 2048)
    assert all(tokenizer.eos_token_id in ids for ids, _ in ours["boolq"][0]["sequences"])
    expect_same(ours, tasks, harness.Recorder(tokenizer, 2048))


def test_a_gguf_names_its_token_too(smollm2, smollm2_gguf, rows):
    prefixes = [dump(model, "boolq", rows, 2048, 1)["boolq"][0]["prefix"] for model in (smollm2, smollm2_gguf)]
    assert prefixes == [harness.tokenizer_of(smollm2).bos_token_id] * 2


TEMPLATES = [
    "{{a}}", "x {{ a }}{{b}} y", "{{a.strip()}}|{{a|trim}}", "{{a.lstrip() + '-' + a.rstrip()}}", "{{a.capitalize()}}",
    "{{a|capitalize}}", "{{a|lower}}", "{{a.split(' ')[:-1]|join(' ')}}", "{{' ' + a.split(' ')[-1]}}",
    "{{a.split('_')[1:]|join('_')}}", "{{a.replace('e', 'E')|replace(' ', '')}}", "{{c.d[0]}}{{c['d'][1]}}{{c.d[-1]}}",
    "{{c.d.index('two') + 1 - 2}}", "{{c.d|join}}{{c.d|first}}{{c.d|last}}", "{{(c.d + [a, 'z'])[1:4]|join(',')}}",
    "{{c.d|map('trim')|map('replace', 'o', '0')|list|join(';')}}", "{{'7'|int}}{{' 12 '|int}}",
    r"{{a|regex_replace('\\[.*?\\]', '')}}", r"{{a|regex_replace('(\S)\s+(\S)', '\\2\\1')}}",
    '"it\'s"}}', "{{'it\\'s'}}}}", "{{[a, b][1]}}", "{{a}}\n", "\n{{a}}",
    "{% if b % 2 %}odd {{a}}{% else %}even{% endif %}\n", "{% for d in c.d %}{{loop.index}}. {{d}}\n{% endfor %}Answer:",
    "{# a comment #}{%- set x = a|trim -%} {{x}} ", "{% for d in c.d if 't' in d -%}\n  {{ d|upper }}{% else %}none{% endfor %}",
    "{% macro m(x, y='!') %}{{x}}{{y}}{% endmacro %}{{m(b)}}{{m(b, y='?')}}", "{{a if b > 30 else c.d[0]}}|{{z|default('-')}}",
    "{% if z is defined %}z{% elif a is string %}s{% endif %}", "{{c.d|length}}{{c.d|reverse|join(',')}}{{b / 2}}{{b // 7}}",
    "  {% if true %}\n  x\n  {% endif %}\n", "{{c}}{{true}}{{none}}{{1.5}}", "{% raw %}{{a}}{% endraw %}", "{{a|title}}", "{{ '%s' if false else a[:5] }}", "{% with y = a %}{{y[-3:]}}{% endwith %}",
    "{{c.d|select('string')|list|length}}{{c.d|first|regex_replace('[aeiou]', '_')}}", "{{a}}\r\n{{b}}\n\n",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_jinjas(template, smollm2, tmp_path):
    """Template by template against the engine that the harness hands its own to."""
    from lm_eval.utils import apply_template
    writer = generated_rows.Writer(9)
    docs = [{"a": writer.ends(writer.text(blanks=generated_rows.BLANKS)), "b": number,
             "c": {"d": ["one ", "two", writer.text()]}} for number in range(60)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    tasks = {"t": {"text": template, "counted": "x", "metrics": ["bits_per_byte"]}}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    ours = dump(smollm2, "t", tmp_path, 2048, 0, 0, -1, tmp_path / "tasks.json")["t"]
    assert [question["requests"][0][1] for question in ours] == [apply_template(template, doc) for doc in docs]
