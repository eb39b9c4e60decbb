"""sleb generate: the ids are transformers', the text is the tokenizer's, streamed, chatted and compared."""
import fcntl
import json
import os
import pathlib
import pty
import struct
import subprocess
import termios

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import edit_json, make_model, save_model, save_tokenizer, set_template

CHAT = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[bot]{% endif %}{{ bos_token }}"
REMOVED = [1, 3]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    folder = save_tokenizer(save_model(tmp_path_factory.mktemp("generate")))
    set_template(folder, "<bos>", "$A")
    edit_json(folder / "tokenizer_config.json", chat_template=CHAT)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [256, 255]}))
    return folder


def expected(folder: pathlib.Path, prompt: str, count: int, removed=(), chat: bool = False, stop: bool = False) -> list[int]:
    """transformers' greedy ids."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    kept = [block for i, block in enumerate(reference.model.layers) if i not in removed]
    for i, block in enumerate(kept):
        block.self_attn.layer_idx = i
    reference.model.layers = torch.nn.ModuleList(kept)
    reference.config.num_hidden_layers = len(kept)
    if chat:
        messages = [{"role": "user", "content": prompt}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    else:
        ids = tokenizer(prompt)["input_ids"]
    stops = {"eos_token_id": [256, 255]} if stop else {"eos_token_id": None}
    out = reference.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False, pad_token_id=0, **stops)
    return out[0, len(ids) :].tolist()


def printed(text: str) -> str:
    """As subprocess reads it: any line end is "\\n"."""
    return (text + "\n" * (not text.endswith("\n"))).replace("\r\n", "\n").replace("\r", "\n")


def generated(sleb_ok, folder: pathlib.Path, *options) -> list[dict]:
    return json.loads(sleb_ok("generate", folder, "--dtype", "float32", "--json", "-", *options))["outputs"]


@pytest.mark.parametrize("removed", [[], REMOVED], ids=["dense", "pruned"])
@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_ids_and_text(removed, chat, model, sleb_ok):
    options = ["--chat"] * chat + (["--removal-list", ",".join(map(str, removed))] if removed else [])
    [output] = generated(sleb_ok, model, "--prompt", "Hi é", "--max-new-tokens", 24, "--ignore-eos", *options)
    assert output["ids"] == expected(model, "Hi é", 24, removed, chat)
    text = AutoTokenizer.from_pretrained(model).decode(output["ids"], skip_special_tokens=True)
    assert output["text"] == text
    plain = sleb_ok("generate", model, "--dtype", "float32", "--prompt", "Hi é", "--max-new-tokens", 24, "--ignore-eos", *options)
    assert plain == printed(text)


def test_ends_at_any_of_the_stop_ids(model, sleb_ok, tmp_path):
    ids = expected(model, "abc", 24)
    stop = ids[10]
    (tmp_path / "model").mkdir()
    for file in model.iterdir():
        (tmp_path / "model" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps({"eos_token_id": [228, stop]}))
    end = next(i for i, token in enumerate(ids) if token in (stop, 228))
    [output] = generated(sleb_ok, tmp_path / "model", "--prompt", "abc", "--max-new-tokens", 24)
    assert output["ids"] == ids[: end + 1]
    (tmp_path / "model" / "generation_config.json").write_text("{}")
    edit_json(tmp_path / "model" / "config.json", eos_token_id=ids[5])
    [output] = generated(sleb_ok, tmp_path / "model", "--prompt", "abc", "--max-new-tokens", 24)
    assert output["ids"] == ids[: ids.index(ids[5]) + 1]


@pytest.mark.parametrize("end", ["eos", "eot", "eom"])
def test_a_gguf_ends_at_each_of_its_ends(sleb_ok, tmp_path, end):
    """And a folder made of it has them all."""
    chat = {"tokenizer.chat_template": CHAT}
    options = ("--prompt", "abc", "--chat", "--max-new-tokens", 24)
    save_gguf(tmp_path / "all.gguf", make_model(), tokens=BYTE_TOKENS, metadata=chat)
    [output] = generated(sleb_ok, tmp_path / "all.gguf", *options)
    ids = output["ids"]
    assert len(ids) == 24
    stop = ids[7]
    ends = {"tokenizer.ggml.eos_token_id": 1, f"tokenizer.ggml.{end}_token_id": stop}
    save_gguf(tmp_path / "model.gguf", make_model(), tokens=BYTE_TOKENS, metadata={**chat, **ends})
    [output] = generated(sleb_ok, tmp_path / "model.gguf", *options)
    assert output["ids"] == ids[: next(i for i, token in enumerate(ids) if token in ends.values()) + 1]

    sleb_ok("export", tmp_path / "model.gguf", "--removal-list", "", "--out", tmp_path / "out", "--out-dtype", "float32")
    written = GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id
    assert written == (stop if end == "eos" else [1, stop])
    assert generated(sleb_ok, tmp_path / "out", *options)[0]["ids"] == output["ids"]


def test_compare_gives_both(model, sleb_ok, sleb):
    options = ("--prompt", "abc", "--max-new-tokens", 8, "--ignore-eos", "--removal-list", "1,3", "--compare")
    outputs = generated(sleb_ok, model, *options)
    assert [output["model"] for output in outputs] == ["dense", "without blocks 1,3"]
    assert [output["ids"] for output in outputs] == [expected(model, "abc", 8), expected(model, "abc", 8, REMOVED)]
    done = sleb("generate", model, "--dtype", "float32", *options)
    dense, pruned = (printed(output["text"]) for output in outputs)
    assert done.stdout == f"--- dense\n{dense}--- without blocks 1,3\n{pruned}"
    speeds = [line for line in done.stderr.splitlines() if "tokens/s" in line]
    assert [line.split(":")[0] for line in speeds] == ["dense", "without blocks 1,3"]


def on_terminal(columns: int, command: list) -> str:
    """What a terminal of so many columns gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(list(map(str, command)), stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def test_columns(model, sleb_program):
    command = [sleb_program, "generate", model, "--prompt", "abc", "--max-new-tokens", 100, "--removal-list", "1,3", "--compare"]
    wide = on_terminal(100, command).splitlines()
    assert [cell.strip() for cell in wide[0].split(" | ")] == ["dense", "without blocks 1,3"]
    assert wide[1] == "-" * 48 + " | " + "-" * 48
    assert len(wide) >= 3 and all(" |" in line for line in wide)
    assert on_terminal(60, command).startswith("--- dense\n")
    assert not any(character < " " for character in "".join(wide))


def test_prompt_on_standard_input(model, sleb, sleb_ok):
    command = ("generate", model, "--max-new-tokens", 5, "--dtype", "float32")
    assert sleb(*command, input="Hi é").stdout == sleb_ok(*command, "--prompt", "Hi é")


def test_draws_repeat_by_seed(model, sleb_ok):
    def draw(seed: int) -> list[int]:
        options = ("--prompt", "abc", "--max-new-tokens", 24, "--ignore-eos", "--temperature", 1.5, "--seed", seed)
        return generated(sleb_ok, model, *options)[0]["ids"]

    assert draw(1) == draw(1) != draw(2)


def test_gguf_has_its_own_template_and_end(smollm2, smollm2_gguf, sleb_ok):
    [ours] = generated(sleb_ok, smollm2, "--prompt", "Say hello.", "--chat", "--max-new-tokens", 4)
    written = json.loads(sleb_ok("generate", smollm2_gguf, "--dtype", "float32", "--prompt", "Say hello.", "--chat",
                                 "--max-new-tokens", 1, "--json", "-"))  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    messages = [{"role": "user", "content": "Say hello."}]
    assert written["prompt_ids"] == tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert len(ours["ids"]) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", "x" * 256), "the prompt has 257 tokens, but the model's context only 256: nothing can follow"),
        (("--prompt", "a", "--removal-list", "1,1"), "block 1 stands twice"),
        (("--prompt", "a", "--removal-list=-1"), "there is no block -1"),
        (("--prompt", "a", "--removal-list", "0,1,2,3,4"), "that is all 5 blocks"),
        (("--prompt", "a", "--removal-list", "1,x"), "removal list"),
        (("--prompt", "a", "--temperature", "-0.5"), "--temperature -0.5: expected a number from 0"),
        (("--prompt", "a", "--temperature", "nan"), "--temperature nan: expected a number from 0"),
        (("--prompt", "a", "--temperature", "inf"), "--temperature inf: expected a number from 0"),
        (("--prompt", "a", "--compare"), "--compare: give the blocks to leave out with --removal-list"),
        (("--prompt", "a", "--system", "b"), "--system: only a chat has one; give --chat too"),
        (("--prompt", "a", "--max-new-tokens", "0"), "expected a whole number from 1"),
        (("--prompt", "a", "--json", "/nowhere/x.json"), "/nowhere"),
    ],
)
def test_bad_options(options, message, model, sleb):
    done = sleb("generate", model, *options)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"tokenizer.json": {"post_processor": None}}, ("--prompt", ""), "the prompt is empty"),
        ({"tokenizer.json": {"decoder": {"type": "Odd"}}}, ("--prompt", "a"), 'the decoder "Odd" is not supported'),
        ({"tokenizer_config.json": {"chat_template": None}}, ("--prompt", "a", "--chat"), "has no chat template"),
        ({"tokenizer_config.json": {"chat_template": "{{ raise_exception('no\x1b!') }}"}}, ("--prompt", "a", "--chat"),
         "line 1 of the template: the template says: no\\x1b!"),
        ({"generation_config.json": {"eos_token_id": [257]}}, ("--prompt", "a"), "generation_config.json: eos_token_id[0]"),
        ({"generation_config.json": {"eos_token_id": "x"}}, ("--prompt", "a"), "generation_config.json: eos_token_id"),
    ],
)  # fmt: skip
def test_bad_files(files, options, message, model, sleb, tmp_path):
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name, changes in files.items():
        edit_json(tmp_path / name, **changes)
    done = sleb("generate", tmp_path, *options)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_context_limits_new_tokens(model, sleb):
    done = sleb("generate", model, "--prompt", "x" * 250, "--ignore-eos", "--json", "-")
    assert len(json.loads(done.stdout)["outputs"][0]["ids"]) == 5
    assert "at most 5 new tokens" in done.stderr


def test_help_fits_a_terminal(sleb_ok):
    assert max(map(len, sleb_ok("generate", "--help").splitlines())) <= 80
