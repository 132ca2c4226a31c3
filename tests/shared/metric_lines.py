"""Lines of metrics.jsonl: five epochs of a run whose loss falls."""

from typing import Any

LINE: dict[str, Any] = {
    "epoch": 1,
    "step": 9,
    "loss": 0.5,
    "pct_active": 10.0,
    "pct_correct": 90.0,
    "pct_easy": 85.0,
    "pct_semi_hard": 5.0,
    "pct_hard": 10.0,
    "mean_positive": 1.0,
    "mean_negative": 3.0,
    "learning_rate": 1e-3,
    "images_per_s": 100.0,
    "recall@1": 0.9,
    "mAP@R": 0.8,
}
LINES = [LINE | {"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 6)]
