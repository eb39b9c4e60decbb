"""Chat templates of models: sleb's prompts against transformers' apply_chat_template."""
import json
import pathlib
import subprocess

import pytest
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from chat_styles import CHATML, CONVERSATIONS, STYLES, TOOLS, message
from family_chat_styles import FAMILY_STYLES
from programs import BUILD
from jinja import oracle, sleb_answers
from test_tokenizer import trained

CHAT_DUMP = BUILD / "tests" / "tokenizer" / "chat_dump"


ALL_STYLES = STYLES | FAMILY_STYLES


@pytest.mark.parametrize("tools", [None, TOOLS], ids=["no tools", "tools"])
@pytest.mark.parametrize("style", ALL_STYLES)
def test_styles(style, tools):
    """By themselves, with all that apply_chat_template can pass; an error for an error."""
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    more = [{}, {"enable_thinking": False}, {"enable_thinking": True, "skip_think": False, "controls": {"length": "short"}}]
    known = {"tools": tools, "documents": None, **special}
    tasks = [
        (ALL_STYLES[style], {"messages": messages, "add_generation_prompt": add, **known, **extra})
        for messages in CONVERSATIONS for add in (True, False) for extra in more
    ]  # fmt: skip
    texts = 0
    for (template, variables), answer in zip(tasks, sleb_answers(tasks), strict=True):
        expected = oracle(template, variables)
        if isinstance(expected, Exception):
            assert "error" in answer, (variables["messages"], answer, expected)
        else:
            assert answer.get("text") == expected, (variables["messages"], answer)
            texts += 1
    assert texts >= 6


def run_chat_dump(folder: pathlib.Path, conversations: list) -> subprocess.CompletedProcess:
    if not CHAT_DUMP.exists():
        pytest.fail(f"{CHAT_DUMP} is not there: build target chat_dump, or set SLEB_BUILD_DIR")
    lines = "".join(json.dumps(conversation) + "\n" for conversation in conversations)
    return subprocess.run([CHAT_DUMP, folder], input=lines.encode(), capture_output=True, check=False)


PLAIN = [messages for messages in CONVERSATIONS if all(isinstance(m["content"], str) and len(m) == 2 for m in messages)]


def check(folder: pathlib.Path, conversations: list = PLAIN) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    done = run_chat_dump(folder, conversations)
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    for messages, answer in zip(conversations, answers, strict=True):
        try:
            expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except Exception:
            assert "error" in answer, (messages, answer)
            continue
        assert answer["text"] == expected, messages
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert answer["ids"] == ids, messages


@pytest.fixture
def write_folder(tmp_path):
    def write(config: dict, **files: str) -> pathlib.Path:
        trained(pre_tokenizers.ByteLevel(add_prefix_space=False)).save(str(tmp_path / "tokenizer.json"))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|eos|>", **config}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content)
        return tmp_path

    return write


TOKENS = "{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token }}|"


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({"chat_template": CHATML}, {}),
        ({"chat_template": TOKENS + CHATML, "bos_token": {"__type": "AddedToken", "content": "<|bos|>"}, "pad_token": None}, {}),
        ({"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": CHATML}]}, {}),
        ({"chat_template": "no"}, {"chat_template__jinja": CHATML}),
        ({}, {"chat_template__jinja": "\n" + CHATML + "\n\n"}),
        ({"chat_template": TOKENS + CHATML, "tokenizer_class": "GPT2Tokenizer"}, {}),
        ({"chat_template": TOKENS, "tokenizer_class": "CohereTokenizer", "bos_token": None}, {}),
        ({"chat_template": TOKENS, "tokenizer_class": "LlamaTokenizer"}, {}),
        ({"chat_template": TOKENS, "tokenizer_class": None}, {"config__json": json.dumps({"model_type": "gpt_neox"})}),
        ({"chat_template": TOKENS}, {"special_tokens_map__json": json.dumps({"unk_token": "<|bos|>", "eos_token": "x"})}),
    ],
    ids=["config", "tokens", "named", "file before config", "file", "GPT-2's", "Cohere's", "not Llama's", "by model_type",
         "special_tokens_map"],
)  # fmt: skip
def test_where_templates_stand(config, files, write_folder):
    check(write_folder(config, **files))


def test_smollm2(smollm2):
    check(smollm2, [*PLAIN, [message("user", "Grüezi 👩‍🚀\n")]])


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({}, "has no chat template"),
        ({"chat_template": "{% if %}"}, "tokenizer_config.json: chat_template: line 1 of the template: "),
        ({"chat_template": [{"name": "tool_use", "template": "x"}]}, 'none is named "default"'),
        ({"chat_template": 5}, "tokenizer_config.json: chat_template"),
    ],
)
def test_refused(config, error, write_folder):
    done = run_chat_dump(write_folder(config), [])
    assert done.returncode == 2
    assert error in done.stderr.decode() and done.stderr.count(b"\n") == 1
