"""Repairs of mixtures of experts: each expert's fit against the same method in float64 on transformers' modules, which
experts are left, and what is written."""
import json
import pathlib

import numpy as np
import pytest
import safetensors.torch
import torch

import family_models
import fp8_models
import oracle
from mxfp4_models import save_mxfp4
from packed_models import save_packed
from test_repair import LLAMA, RIDGES, States, expect_errors, fit_once, norm, save_text, solve
from tiny_models import VOCABULARY, edit_json, random_ids, save_tokenizer

SEQLEN = 64
REMOVED = (1, 3)
# Variants without blocks that have an MLP in the place of experts.
VARIANTS = [("mixtral", "usual"), ("qwen2_moe", "usual"), ("qwen3_moe", "usual"), ("flex_olmo", "usual"),
            ("glm4_moe", "not normalized, experts in all blocks")]


class ExpertStates(States):
    """The hidden states around attention's output matrix and around the experts."""

    def __init__(self, model, family: str, ids: torch.Tensor):
        super().__init__(model, family, ids)
        self.names = LLAMA
        if family == "flex_olmo":
            self.post_norms = ("post_attention_layernorm", "post_feedforward_layernorm", 0.0)

    def mixture(self, block: int) -> torch.nn.Module:
        return oracle.blocks_of(self.model)[block].mlp

    def run(self, block: int) -> list[tuple]:
        seen = {}
        layer = oracle.blocks_of(self.model)[block]

        def keep(name: str):
            return lambda _, given, output: seen.update({name: (given[0], output)})
        hooks = [layer.register_forward_pre_hook(lambda _, given: seen.update(state=given[0])),
                 self.matrix(block, 0).register_forward_hook(keep("attention")),
                 self.mixture(block).register_forward_hook(keep("mlp")),
                 self.mixture(block).gate.register_forward_hook(keep("gate"))]
        with torch.no_grad():
            self.model(self.ids)
        for hook in hooks:
            hook.remove()
        steps, state = [], seen["state"]
        for half, name in enumerate(("attention", "mlp")):
            given, output = seen[name]
            gains = self.gains(block, half)
            state = state + (output if gains is None else gains * output / self.rms(output))
            steps.append((given, output, state))
        _, self.weights, self.chosen = seen["gate"][1]  # [tokens, chosen experts]
        return steps

    def experts(self, block: int) -> dict[int, torch.nn.Parameter]:
        """In the order in which they are fitted: an expert's output matrix."""
        mixture = self.mixture(block)
        matrices = dict(enumerate(mixture.experts.down_proj.data))
        shared = getattr(mixture, "shared_expert", getattr(mixture, "shared_experts", None))
        return matrices if shared is None else {len(matrices): shared.down_proj.weight.data, **matrices}

    def given(self, block: int, expert: int, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which rows [tokens, hidden] the expert is applied to, and what its matrix is multiplied with, times the weight."""
        mixture = self.mixture(block)
        with torch.no_grad():
            if expert == len(mixture.experts.down_proj):
                shared = getattr(mixture, "shared_expert", getattr(mixture, "shared_experts", None))
                inner = shared.act_fn(shared.gate_proj(rows)) * shared.up_proj(rows)
                if hasattr(mixture, "shared_expert_gate"):
                    inner = inner * torch.sigmoid(mixture.shared_expert_gate(rows))
                return torch.arange(len(rows)), inner
            own, place = torch.where(self.chosen == expert)
            gate, up = (rows[own] @ mixture.experts.gate_up_proj[expert].T).chunk(2, -1)
            return own, mixture.experts.act_fn(gate) * up * self.weights[own, place, None]


def fit_experts(pruned: ExpertStates, place: int, target: torch.Tensor, apart: torch.Tensor) -> dict:
    """Fits a block's experts, one after the other, and changes the model; the record."""
    entered, output, after = (part.flatten(0, 1) if part.dim() == 3 else part for part in pruned.run(place)[1])
    gains, wanted = pruned.gains(place, 1), target.flatten(0, 1)
    before = after - (output if gains is None else gains * output / pruned.rms(output))
    counts = torch.ones(target.shape[:2], dtype=torch.bool)
    counts[:, 0] = False
    apart, counts = apart[:, None].expand(counts.shape).flatten(), counts.flatten()
    weight = counts[:, None] / norm(wanted)

    def state(output: torch.Tensor, rows=slice(None)) -> torch.Tensor:
        return before[rows] + (output if gains is None else gains * output / pruned.rms(output))

    def error_of(rows: torch.Tensor) -> float:
        squares = ((wanted - state(output)) * weight)[rows & counts].square().sum(-1)
        return squares.mean().sqrt().item()

    errors = {"fitted": {"before": error_of(~apart)}, "held_out": {"before": error_of(apart)}}
    matrices = pruned.experts(place)
    count = len(pruned.mixture(place).experts.down_proj)
    record = {"ridges": [None] * count, "least_tokens": 4 * matrices[0].shape[1], "left": []}
    if len(matrices) > count:
        record["shared_ridge"] = None
    for expert, matrix in matrices.items():
        rows, given = pruned.given(place, expert, entered)
        if expert < count and (~apart & counts)[rows].sum() < record["least_tokens"]:
            record["left"].append(expert)
            continue

        def error(change: torch.Tensor, which: torch.Tensor) -> float:
            reached = state(output[rows] + given @ change.T, rows)
            return ((wanted[rows] - reached) * weight[rows])[which[rows]].square().sum().item()

        if gains is None:
            inputs, lacking = given * weight[rows], (wanted[rows] - state(output[rows], rows)) * weight[rows]
        else:
            inverse = 1 / pruned.rms(output[rows])
            written = gains * output[rows] * inverse
            to_write = wanted[rows] - before[rows]
            share = weight[rows] * (norm(to_write) / norm(written)).sqrt()
            inputs, lacking = given * inverse * share, (norm(written) / norm(to_write) * to_write - written) * share
        fitted = ~apart[rows]

        def change(ridge: float) -> torch.Tensor:
            solution = solve(inputs[fitted], lacking[fitted], ridge)
            return solution if gains is None else (gains / (gains**2 + ridge * (gains**2).mean()))[:, None] * solution

        none = torch.zeros_like(matrix)
        least, ridge, best = min(((error(tried, apart), ridge, tried) for ridge in RIDGES for tried in [change(ridge)]),
                                 key=lambda one: one[0])
        if least >= error(none, apart) or error(best, ~apart) > error(none, ~apart):
            continue
        if expert == count:
            record["shared_ridge"] = ridge
        else:
            record["ridges"][expert] = ridge
        output[rows] += given @ best.T
        matrix += best
    errors["fitted"]["after"], errors["held_out"]["after"] = error_of(~apart), error_of(apart)
    return {"ridge": None, **errors, "experts": record}


def repaired(folder: pathlib.Path, family: str, ids: torch.Tensor) -> tuple[torch.nn.Module, list[dict]]:
    """The pruned model in float64, and a record a fit."""
    dense_model = oracle.load(folder, experts_implementation="eager").double()  # the others take no float64
    dense = ExpertStates(dense_model, family, ids)
    kept = [block for block in range(dense_model.config.num_hidden_layers) if block not in REMOVED]
    pruned = ExpertStates(oracle.without_blocks(dense_model, REMOVED), family, ids)
    held_out = max(2, (len(ids) + 4) // 8)
    apart = torch.tensor([(i + 1) * held_out // len(ids) > i * held_out // len(ids) for i in range(len(ids))])
    records = []
    for place, block in enumerate(kept):
        if block < min(REMOVED):
            continue
        attention, experts = (target for _, _, target in dense.run(block))
        record, change = fit_once(pruned, place, 0, attention, apart)
        pruned.matrix(place, 0).weight.data += change
        records.append({"block": block, "half": "attention", **record})
        records.append({"block": block, "half": "mlp", **fit_experts(pruned, place, experts, apart)})
    return pruned.model, records


def segments_of(folder: pathlib.Path, text: pathlib.Path, segments: int) -> torch.Tensor:
    tokenizer = oracle.transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(json.loads(text.read_text())["text"])[:SEQLEN * segments]
    return torch.tensor(ids).view(segments, SEQLEN)


@pytest.fixture
def repair(sleb, tmp_path):
    """The folder or file written, its record, and what was said."""

    def call(model, *options, segments: int = 48, out: str = "out", removed=REMOVED) -> tuple[pathlib.Path, dict, str]:
        text = save_text(tmp_path / "text.jsonl", 2 * SEQLEN * segments)
        done = sleb("repair", model, "--removal-list", ",".join(map(str, removed)), "--repair-dataset", text,
                    "--repair-tokens", SEQLEN * segments, "--seqlen", SEQLEN, "--dtype", "float32", "--bos", "first",
                    "--threads", 1, "--out", tmp_path / out, *options)
        assert done.returncode == 0, done.stderr
        return tmp_path / out, json.loads((tmp_path / out / "sleb.json").read_text())["repair"], done.stderr

    return call


def save(folder: pathlib.Path, family: str, variant: str) -> pathlib.Path:
    family_models.save_model(folder, family, variant)
    return save_tokenizer(folder)


@pytest.mark.parametrize("family, variant", VARIANTS, ids=lambda value: value)
def test_as_in_float64(repair, tmp_path, family, variant):
    model = save(tmp_path / "model", family, variant)
    out, record, said = repair(model, "--out-dtype", "float32")
    expected, records = repaired(model, family, segments_of(model, tmp_path / "text.jsonl", 48))
    expect_errors(record["matrices"], records)
    changed = 0
    for one, other in zip(record["matrices"], records):
        assert one.get("experts") == other.get("experts")
        if other["half"] == "mlp":
            experts = other["experts"]
            changed += sum(ridge is not None for ridge in (*experts["ridges"], experts.get("shared_ridge")))
            assert one["fitted"]["after"] <= one["fitted"]["before"]
            line = f"block {other['block']}: {len(experts['left'])} of {len(experts['ridges'])} experts left"
            assert (line in said) == bool(experts["left"])
    assert changed >= 3
    before = oracle.without_blocks(oracle.load(model), REMOVED).state_dict()
    after = oracle.load(out).state_dict()
    for name, values in expected.state_dict().items():
        parts = [(values, before[name], after[name])]
        if name.endswith("experts.down_proj"):
            parts = list(zip(*parts[0]))  # an expert each
        for wanted, old, new in parts:
            change = (wanted - old).abs().max()
            # Float32's sums of products, through matrices whose condition the ridge bounds, one after the other.
            assert (new - wanted).abs().max() <= 5e-4 * change, name
            assert change == 0 or not torch.equal(new, old)


def weights_of(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> pathlib.Path:
    return save(tmp_path_factory.mktemp("experts") / "model", "qwen2_moe", "usual")


def test_what_is_left(repair, model):
    """Of experts that few tokens reach no bit changes, and the run names them."""
    out, record, said = repair(model, segments=11)
    lefts = {one["block"]: one["experts"] for one in record["matrices"] if one["half"] == "mlp"}
    assert lefts.keys() == {2, 4, 5} and any(experts["left"] for experts in lefts.values())
    before, after = weights_of(model), weights_of(out)
    changed = set(record["changed_tensors"])
    for place, block in ((1, 2), (2, 4), (3, 5)):
        experts = lefts[block]
        assert experts["least_tokens"] == 160
        line = (f"repair: block {block}: {len(experts['left'])} of 6 experts left, fewer than 160 tokens reach them: "
                f"{', '.join(map(str, experts['left']))}\n")
        assert (line in said) == bool(experts["left"])
        assert (line.removeprefix("repair: ") in (out / "README.md").read_text()) == bool(experts["left"])
        for expert, ridge in enumerate(experts["ridges"]):
            name = f"model.layers.{block}.mlp.experts.{expert}.down_proj.weight"
            assert not (ridge and expert in experts["left"]) and (ridge is not None) == (name in changed)
            same = torch.equal(after[name.replace(f".{block}.", f".{place}.", 1)], before[name])
            assert same == (ridge is None), name
        name = f"model.layers.{block}.mlp.shared_expert.down_proj.weight"
        assert (name in changed) == (experts["shared_ridge"] is not None)


def test_all_are_left_where_the_text_is_short(repair, tmp_path):
    model = save(tmp_path / "model", "mixtral", "usual")
    _, record, said = repair(model, segments=6, removed=(1,))
    for one in record["matrices"]:
        if one["half"] == "mlp":
            assert one["experts"] == {"ridges": [None] * 4, "least_tokens": 384, "left": [0, 1, 2, 3]}
            assert one["fitted"]["after"] == one["fitted"]["before"]
            assert f"block {one['block']}: 4 of 4 experts left, fewer than 384 tokens reach them: 0, 1, 2, 3" in said


def test_the_same_command_gives_the_same_bytes_wherever_states_and_blocks_are(repair, model):
    once, record, _ = repair(model, out="once")
    for out, options in {"again": [], "disk": ["--state-memory", "0"], "streamed": ["--weights-memory", "640K"]}.items():
        again, other, _ = repair(model, *options, out=out)
        assert (again / "model.safetensors").read_bytes() == (once / "model.safetensors").read_bytes(), out
        assert {**record, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("family, variant", [*VARIANTS[:2], ("deepseek_v3", "usual")], ids=lambda value: value)
def test_the_folder_loads_with_the_engines_logits(repair, logits_dump, tmp_path, family, variant):
    out, record, _ = repair(save(tmp_path / "model", family, variant))
    assert any(".experts." in name for name in record["changed_tensors"])
    ids = random_ids(100)
    np.save(tmp_path / "ids.npy", ids)
    content = logits_dump(out, tmp_path / "ids.npy", "float32", "")
    actual = np.frombuffer(content, np.float32).reshape(len(ids), VOCABULARY)
    assert np.abs(actual - oracle.logits(oracle.load(out), ids)).max() <= 1e-4


def test_the_error_behind_the_last_block_is_less_than_with_the_experts_as_they_were(repair, model, tmp_path):
    """Of the fitted text, in transformers: with all that was changed, and with attention's matrices alone."""
    out, record, _ = repair(model)
    ids = segments_of(model, tmp_path / "text.jsonl", 48)
    weights, places = weights_of(out), {2: 1, 4: 2, 5: 3}
    for name in record["changed_tensors"]:
        if ".mlp." in name:
            block = int(name.split(".")[2])
            weights[name.replace(f".{block}.", f".{places[block]}.", 1)] = weights_of(model)[name]
    (tmp_path / "attention").mkdir()
    for file in out.iterdir():
        (tmp_path / "attention" / file.name).write_bytes(file.read_bytes())
    safetensors.torch.save_file(weights, tmp_path / "attention" / "model.safetensors", {"format": "pt"})

    def last_state(folder: pathlib.Path) -> torch.Tensor:
        seen = {}
        loaded = oracle.load(folder)
        oracle.blocks_of(loaded)[-1].register_forward_hook(
            lambda _, given, output: seen.update(state=output if torch.is_tensor(output) else output[0]))
        with torch.no_grad():
            loaded(ids)
        return seen["state"][:, 1:].double()

    wanted = last_state(model)
    errors = [((wanted - last_state(folder)) / norm(wanted)).square().sum(-1).mean().sqrt().item()
              for folder in (out, tmp_path / "attention")]
    assert errors[0] < errors[1]


def test_packed_experts_are_written_plain_where_they_are_changed(repair, sleb_ok, tmp_path):
    save(tmp_path / "plain", "qwen3_moe", "usual")
    plain = tmp_path / "plain"
    edit_json(plain / "config.json", tie_word_embeddings=False)
    save_packed(tmp_path / "model", plain, "compressed-tensors int8")
    out, record, _ = repair(save_tokenizer(tmp_path / "model"))
    listed = json.loads((out / "config.json").read_text())["quantization_config"]["ignore"]
    written, places = weights_of(out), {2: 1, 4: 2, 5: 3}
    changed = [name for name in record["changed_tensors"] if ".experts." in name]
    assert changed
    for name in changed:
        block = int(name.split(".")[2])
        module = name.replace(f".{block}.", f".{places[block]}.", 1).removesuffix(".weight")
        assert module in listed and written[module + ".weight"].is_floating_point()
    sleb_ok("info", out)


def test_8_bit_floats_are_refused(sleb, tmp_path):
    model = save(tmp_path / "model", "qwen3_moe", "usual")
    weights = weights_of(model)
    name = "model.layers.5.mlp.experts.3.down_proj.weight"
    weights[name], weights[f"{name}_scale"] = weights[name].to(torch.float8_e4m3fn), torch.tensor(1.0)
    safetensors.torch.save_file(weights, model / "model.safetensors", {"format": "pt"})
    edit_json(model / "config.json", quantization_config=fp8_models.CONFIGS["tensor"])
    done = sleb("repair", model, "--removal-list", "1", "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"'{name}' stays F8_E4M3 in the output, which a repaired matrix can't" in done.stderr


def test_stacked_experts(repair, sleb_ok, logits_dump, tmp_path):
    """The same fits as in a GGUF, where experts are apart; one tensor written for all of a block; transformers loads it."""
    model = save(tmp_path / "model", "gpt_oss", "usual")
    sleb_ok("export", model, "--removal-list", "", "--out", tmp_path / "model.gguf")
    out, record, _ = repair(model)
    _, apart, _ = repair(tmp_path / "model.gguf", "--out-dtype", "float32", out="from file")
    expect_errors(record["matrices"], apart["matrices"])
    stacks = [name for name in record["changed_tensors"] if name.endswith("mlp.experts.down_proj")]
    assert stacks == [f"model.layers.{block}.mlp.experts.down_proj" for block in (2, 4, 5)]
    written, other, before = weights_of(out), weights_of(tmp_path / "from file"), weights_of(model)
    for one, block in zip((one for one in record["matrices"] if one["half"] == "mlp"), (2, 4, 5), strict=True):
        name = f"model.layers.{block}.mlp.experts.down_proj"
        own = name.replace(f".{block}.", f".{ {2: 1, 4: 2, 5: 3}[block]}.")
        for expert, ridge in enumerate(one["experts"]["ridges"]):
            old, new = before[name][expert], written[own][expert]
            assert torch.equal(new, old) == (ridge is None)
            change = (new - old).abs().max()
            assert (new - other[own][expert]).abs().max() <= 5e-4 * change
    ids = random_ids(100)
    np.save(tmp_path / "ids.npy", ids)
    content = logits_dump(out, tmp_path / "ids.npy", "float32", "")
    actual = np.frombuffer(content, np.float32).reshape(len(ids), VOCABULARY)
    assert np.abs(actual - oracle.logits(oracle.load(out), ids)).max() <= 1e-4


def test_mxfp4_has_to_be_written_plain(sleb, tmp_path):
    """transformers knows blocks without MXFP4, but no single matrix of one that has it."""
    save_mxfp4(tmp_path)
    text = save_text(tmp_path / "text.jsonl", 2 * SEQLEN * 48)
    command = ["repair", tmp_path / "packed", "--removal-list", "1", "--repair-dataset", text, "--repair-tokens", SEQLEN * 48,
               "--seqlen", SEQLEN, "--dtype", "float32", "--out", tmp_path / "out"]
    done = sleb(*command)
    assert done.returncode == 2 and "of 'mxfp4' can't say which matrices are plain" in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()
    done = sleb(*command, "--out-dtype", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert "quantization_config" not in json.loads((tmp_path / "out" / "config.json").read_text())
    assert all(weight.dtype == torch.bfloat16 for weight in weights_of(tmp_path / "out").values())
