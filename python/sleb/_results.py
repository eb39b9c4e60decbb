"""The command line's JSON as data classes: a field is the member of its name, and `json` has all members."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

Unit: TypeAlias = int | str  # a block, or half of one: "5.attention", "5.mlp"
RemovalList: TypeAlias = list[Unit]


@dataclasses.dataclass(frozen=True)
class Result:
    json: dict[str, Any] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Info(Result):
    """What a checkpoint is."""

    model: str
    format: str
    family: str
    num_blocks: int
    parameters: int
    active_parameters: int  # that a token meets: of a mixture of experts fewer than all
    block_parameters: int
    file_bytes: int
    hidden_size: int
    vocabulary_size: int
    max_positions: int | None
    types: str
    tokenizer: str | None
    warnings: list[str]


@dataclasses.dataclass(frozen=True)
class Candidate(Result):
    """A unit that a round of the search tried. Divergence and differences in nats a token."""

    block: Unit
    loss: float
    kl: float
    difference: float
    difference_stderr: float | None


@dataclasses.dataclass(frozen=True)
class Step(Result):
    """A round of the search."""

    removed: Unit
    loss: float
    margin: float | None  # to the next best one, in standard errors
    candidates: list[Candidate]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Perplexity(Result):
    """Of the dense model (no removal list) or a pruned one; differences and divergence in nats a token."""

    removal_list: RemovalList
    perplexity: float
    perplexity_stderr: float | None
    difference: float | None
    difference_stderr: float | None
    divergence: float | None
    divergence_stderr: float | None


@dataclasses.dataclass(frozen=True)
class PerplexityDetails(Result):
    """Of one text; rows: the dense model's, then one a removal list."""

    segments: int
    seqlen: int
    rows: list[Perplexity]
    seconds: float
    tokens_per_second: float


@dataclasses.dataclass(frozen=True)
class PrunedResults(Result):
    """Zero-shot tasks: by task the metrics."""

    removal_list: RemovalList
    results: dict[str, dict[str, float | None]]


@dataclasses.dataclass(frozen=True)
class Evaluation(Result):
    """Perplexities by text, of the dense model and of each removal list; tasks likewise, where they were asked for."""

    model: str
    num_blocks: int
    dtype: str
    device: str
    removal_lists: list[RemovalList]
    perplexity: dict[str, dict[str, float | list[float]]] | None
    perplexity_details: dict[str, PerplexityDetails] | None
    results: dict[str, dict[str, float | None]] | None
    pruned: list[PrunedResults] | None


@dataclasses.dataclass(frozen=True)
class PromptSpeed(Result):
    prompt_tokens: int
    dense_tokens_per_second: float
    pruned_tokens_per_second: float


@dataclasses.dataclass(frozen=True)
class ModelSize(Result):
    blocks: float  # half of one counts as a half
    parameters: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Sizes(Result):
    """As it would be written whole, and as it is written."""

    dense: ModelSize
    pruned: ModelSize


@dataclasses.dataclass(frozen=True)
class FoundSize(Result):
    """A set on the way to a condition. Perplexity on the held-out text, divergence in nats a token."""

    blocks: float  # left
    removal_list: RemovalList
    chosen: bool
    perplexity: float | None
    perplexity_ratio: float | None  # to the dense model's
    perplexity_ratio_stderr: float | None
    kl: float | None
    kl_stderr: float | None
    speed_up: float | None


@dataclasses.dataclass(frozen=True)
class SizeChoice(Result):
    """The conditions that decided on the number of blocks, and the sets that were held against them."""

    until_perplexity: float | None
    until_kl: float | None
    speed_up: float | None
    dense_perplexity: float | None
    sets: list[FoundSize]


@dataclasses.dataclass(frozen=True)
class Prune(Result):
    """What a search found; losses are over the calibration text, in the unit of the published code."""

    model: str
    num_blocks: int
    dtype: str
    device: str
    search: str
    criterion: str
    units: str
    dense_loss: float
    removal_list: RemovalList
    steps: list[Step]
    seconds: float
    size: Sizes
    sizes: SizeChoice | None  # where a condition chose the number of blocks
    repaired_loss: float | None
    prompt_speed: PromptSpeed | None
    evaluation: Evaluation | None


@dataclasses.dataclass(frozen=True)
class DryRun(Result):
    """What a search would take: bytes by what they are for, seconds."""

    model: str
    num_blocks: int
    dtype: str
    device: str
    candidates: int
    rounds: int
    memory: dict[str, int]
    seconds: float
    evaluation_seconds: float | None


@dataclasses.dataclass(frozen=True)
class Export(Result):
    """What was written."""

    out: Path
    model: str
    num_blocks: int
    removal_list: RemovalList
    files: list[str]


@dataclasses.dataclass(frozen=True)
class Speed(Result):
    """Of the dense model (no removal list) or a pruned one."""

    removal_list: RemovalList
    mean_ms: float
    stddev_ms: float
    median_ms: float
    tokens_per_second: float
    first_token_ms: float | None
    speed_up: float
    weight_bytes: int
    kv_cache_bytes: int | None
    seconds: list[float]


@dataclasses.dataclass(frozen=True)
class Latency(Result):
    """How fast the dense model and pruned ones are, in this order."""

    model: str
    num_blocks: int
    dtype: str
    device: str
    threads: int
    mode: str
    batch_size: int
    prompt_tokens: int
    new_tokens: int | None
    results: list[Speed]


R = TypeVar("R", bound=Result)


def read(kind: type[R], json: dict[str, Any], **more: object) -> R:
    """A member that is absent or null is None, where the field may be; KeyError otherwise."""
    values: dict[str, Any] = {"json": json, **more}
    for name, hint in typing.get_type_hints(kind).items():
        if name not in values:
            is_optional = type(None) in typing.get_args(hint)
            values[name] = _value(hint, json.get(name) if is_optional else json[name])
    return kind(**values)


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, Result):
        return read(hint, value)
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return [_value(arguments[0], item) for item in value]
    if typing.get_origin(hint) is dict:
        return {key: _value(arguments[1], item) for key, item in value.items()}
    return value
