"""The soundness of a config's dynamic_batching: what Triton refuses to load is refused here, in its words.

Decision a reader would question: a config that Triton does not take is not mended, although one could guess what is
meant; whoever moves a repository from one server to the other finds that both take it, or neither.
"""

from __future__ import annotations

from artifact.errors import RepositoryError
from artifact.repository.tuning import ModelConfig


def require_sound_batching(config: ModelConfig, *, where: object) -> None:
    """Raise RepositoryError for sizes, levels and policies that contradict each other."""
    reason = _contradiction(config)
    if reason is not None:
        raise RepositoryError(f"{reason} for {config.name}", where=where, mend="see dynamic_batching in config.pbtxt")


def _contradiction(config: ModelConfig) -> str | None:
    batching = config.dynamic_batching
    levels, default, own = batching.priority_levels, batching.default_priority_level, batching.priority_queue_policy
    if any(size <= 0 for size in batching.preferred_batch_size):
        return "dynamic batching preferred size must be positive"
    if any(size > config.max_batch_size for size in batching.preferred_batch_size):
        return "dynamic batching preferred size must be <= max batch size"
    if levels and not 1 <= default <= levels:
        return f"default priority level must be in range [1, {levels}]"
    if levels and not all(1 <= level <= levels for level in own):
        return f"priority queue policy must have priority level in range [1, {levels}]"
    if not batching.preserve_ordering:
        return None
    if levels > 1:
        return "Only one priority level is allowed when 'preserve_ordering' is true"
    if any(
        policy.default_timeout_microseconds and policy.timeout_action == policy.DELAY
        for policy in (batching.default_queue_policy, *own.values())
    ):
        return "Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true"
    return None
