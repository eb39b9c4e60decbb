"""Configuration of a LLaMA some of whose blocks lack their attention or their MLP, as sleb writes it (DeciLM's keys)."""
from transformers.models.llama.configuration_llama import LlamaConfig


class Settings(dict):
    """A JSON object whose members are attributes too, as vLLM and SGLang read block_configs."""

    def __init__(self, members: dict):
        super().__init__({name: Settings(value) if isinstance(value, dict) else value for name, value in members.items()})

    def __getattr__(self, name: str):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __deepcopy__(self, memo):
        return Settings(self)

    def __reduce__(self):
        return Settings, (dict(self),)


class DeciLMConfig(LlamaConfig):
    model_type = "nemotron-nas"

    def __init__(self, block_configs: list | None = None, **members):
        super().__init__(**members)
        if block_configs is None:  # as transformers makes one to see the defaults
            whole = {"attention": {"no_op": False}, "ffn": {"no_op": False}}
            block_configs = [whole] * self.num_hidden_layers
        self.block_configs = [Settings(block) for block in block_configs]
