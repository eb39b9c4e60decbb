"""What transformers computes: logits, losses and SLEB's search, one full forward a candidate."""
import copy

import numpy as np
import torch
import transformers

import own_code_models

# Models this small gain nothing from threads, and on a busy machine lose much by waiting for them.
torch.set_num_threads(1)


class Bypass(torch.nn.Module):
    """A block that passes its input on."""

    def __init__(self, in_tuple: bool = False):
        super().__init__()
        self.in_tuple = in_tuple  # what the family's own blocks return

    def forward(self, hidden_states, *_, **__):
        return (hidden_states, None) if self.in_tuple else hidden_states


# Families whose blocks return (hidden states, attention weights).
_TUPLES = ("bloom", "falcon", "gptj")


def blocks_of(model: transformers.PreTrainedModel) -> torch.nn.ModuleList:
    base = model.base_model
    base = getattr(base, "language_model", getattr(base, "decoder", base))
    return base.h if hasattr(base, "h") else base.layers


def bypass_of(model: transformers.PreTrainedModel) -> Bypass:
    return Bypass(in_tuple=model.config.model_type in _TUPLES)


def without_blocks(model: transformers.PreTrainedModel, removed: tuple[int, ...]) -> transformers.PreTrainedModel:
    """A copy with the blocks taken out, as by hand: the others are renumbered for the KV cache."""
    copied = copy.deepcopy(model)
    blocks = blocks_of(copied)
    for block in sorted(removed, reverse=True):
        del blocks[block]
    for place, block in enumerate(blocks):
        for part in block.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = place
    copied.config.num_hidden_layers = len(blocks)
    for name in ("layer_types", "no_rope_layers"):
        if kinds := getattr(copied.config, name, None):
            setattr(copied.config, name, [kind for block, kind in enumerate(kinds) if block not in removed])
    return copied


def generate(model: transformers.PreTrainedModel, ids: np.ndarray, count: int) -> list[int]:
    """The `count` tokens that follow, each the likeliest."""
    prompt = torch.as_tensor(ids[None, :])
    result = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count,
                            min_new_tokens=count, do_sample=False)
    return result[0, len(ids):].tolist()


def load(folder, **options) -> transformers.PreTrainedModel:
    """In float32; fails for a folder that lacks a tensor or has one too many. Of a family that transformers has no class
    for, as a model of one that computes the same."""
    if transformers.PreTrainedConfig.get_config_dict(folder)[0]["model_type"] in own_code_models.EQUIVALENTS:
        return own_code_models.load(folder)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                                      output_loading_info=True, **options)
    assert not any(report.values()), report
    return model.eval()


def logits(model: transformers.PreTrainedModel, ids: np.ndarray, removed: tuple[int, ...] = ()) -> np.ndarray:
    """[tokens, vocabulary] of one sequence, or [sequences, tokens, vocabulary], with some blocks bypassed."""
    blocks = blocks_of(model)
    kept = {i: blocks[i] for i in removed}
    for i in removed:
        blocks[i] = bypass_of(model)
    with torch.inference_mode():
        result = model(torch.as_tensor(np.atleast_2d(ids)), use_cache=False).logits
    for i, block in kept.items():
        blocks[i] = block
    return (result[0] if ids.ndim == 1 else result).numpy()


def loss(model: transformers.PreTrainedModel, segments: np.ndarray, removed: tuple[int, ...] = ()) -> float:
    """The reference's unit: over the segments, the sum of (mean cross-entropy of the predicted tokens) x seqlen."""
    values = torch.from_numpy(logits(model, segments, removed))
    predicted = values[:, :-1].flatten(0, 1)
    nll = torch.nn.functional.cross_entropy(predicted, torch.from_numpy(segments[:, 1:]).flatten(), reduction="none")
    return nll.view(len(segments), -1).double().mean(1).sum().item() * segments.shape[1]


def search(model: transformers.PreTrainedModel, segments: np.ndarray, rounds: int, early: int = 1,
           latter: int = 1) -> list[dict[int, float]]:
    """Every round's candidates with their losses; the smallest, the first of equals, is removed."""
    alive = list(range(len(blocks_of(model))))
    removed, result = (), []
    for _ in range(rounds):
        candidates = alive[early:len(alive) - latter]
        losses = {block: loss(model, segments, (*removed, block)) for block in candidates}
        best = min(losses, key=losses.get)
        alive.remove(best)
        removed += (best,)
        result.append(losses)
    return result


def expect_close(actual: np.ndarray, expected: np.ndarray, tolerance: float, what: str = "") -> None:
    """No element is off by more than `tolerance`."""
    assert actual.shape == expected.shape, what
    worst = float(np.abs(actual - expected).max())
    assert worst <= tolerance, f"{what}: off by up to {worst:.3g}, more than {tolerance:.3g}"
