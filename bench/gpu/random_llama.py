"""LLaMA checkpoints of random weights, made where they are needed: little may travel."""
import json
import pathlib

import torch
from safetensors.torch import save_file

# [hidden, intermediate, blocks, heads, key/value heads, vocabulary]
SHAPES = {
    "llama-2-7b": (4096, 11008, 32, 32, 32, 32000),
    "smollm2-135m": (576, 1536, 30, 9, 3, 49152),
    "tiny": (64, 96, 4, 4, 2, 512),
}


def block_parameters(shape: str) -> int:
    hidden, intermediate, _, heads, kv_heads, _ = SHAPES[shape]
    return hidden * hidden * (2 * heads + 2 * kv_heads) // heads + 3 * hidden * intermediate


def write_llama(folder: pathlib.Path, shape: str, device: str) -> pathlib.Path:
    """In bfloat16, a file a block. Blocks differ in how much they add to the hidden state, so that a search has something to
    find."""
    hidden, intermediate, blocks, heads, kv_heads, vocabulary = SHAPES[shape]
    kv_width = hidden // heads * kv_heads
    generator = torch.Generator(device).manual_seed(0)
    strength = torch.linspace(0.3, 2, blocks)[torch.randperm(blocks, generator=torch.Generator().manual_seed(0))]
    weight_map = {}

    def save(name: str, shapes: dict[str, tuple[int, ...]], scale: float = 1) -> None:
        tensors = {}
        for key, size in shapes.items():
            tensor = torch.ones(size, dtype=torch.bfloat16, device=device)
            if len(size) > 1:
                writes = key.endswith(("o_proj.weight", "down_proj.weight"))
                tensor.normal_(0, size[1] ** -0.5 * (scale if writes else 1), generator=generator)
            tensors[key] = tensor.cpu()
        save_file(tensors, folder / name, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(tensors, name))

    folder.mkdir(parents=True)
    for block in range(blocks):
        at = f"model.layers.{block}."
        save(f"block-{block:02}.safetensors", {
            f"{at}self_attn.q_proj.weight": (hidden, hidden), f"{at}self_attn.k_proj.weight": (kv_width, hidden),
            f"{at}self_attn.v_proj.weight": (kv_width, hidden), f"{at}self_attn.o_proj.weight": (hidden, hidden),
            f"{at}mlp.gate_proj.weight": (intermediate, hidden), f"{at}mlp.up_proj.weight": (intermediate, hidden),
            f"{at}mlp.down_proj.weight": (hidden, intermediate), f"{at}input_layernorm.weight": (hidden,),
            f"{at}post_attention_layernorm.weight": (hidden,)}, strength[block].item())
    save("others.safetensors", {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,),
                                "lm_head.weight": (vocabulary, hidden)})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": intermediate, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": hidden // heads, "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
        "hidden_act": "silu", "max_position_embeddings": 4096, "tie_word_embeddings": False, "dtype": "bfloat16",
        "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 10000.0}))
    return folder
