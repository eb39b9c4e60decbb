"""A LLaMA some of whose blocks lack their attention or their MLP, as sleb writes it: transformers' LLaMA without them."""
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from .configuration_decilm import DeciLMConfig


class NoAttention(nn.Module):
    """Adds nothing to the hidden state."""

    def forward(self, hidden_states: torch.Tensor, **_) -> tuple[torch.Tensor, None]:
        return torch.zeros_like(hidden_states), None


class NoMlp(nn.Module):
    """Likewise."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(hidden_states)


class DeciLMForCausalLM(LlamaForCausalLM):
    config_class = DeciLMConfig

    def __init__(self, config: DeciLMConfig):
        super().__init__(config)
        attentions = 0
        for layer, block in zip(self.model.layers, config.block_configs, strict=True):
            if block.attention.no_op:
                layer.self_attn, layer.input_layernorm = NoAttention(), nn.Identity()
            else:
                layer.self_attn.layer_idx = attentions  # its place in the cache, which has no holes
                attentions += 1
            if block.ffn.no_op:
                layer.mlp, layer.post_attention_layernorm = NoMlp(), nn.Identity()
