"""The attribute tower: encoded rows of attributes through two hidden layers into the space of the images.

Dense, BatchNorm, ReLU, twice; then a dense identity layer of as many neurons as the image tower's, and unit length
where the images have it.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from torch import Tensor, nn


class AttributeTower(nn.Module):
    """float32 [N, A] -> float32 [N, embedding_dim].

    Args:
        num_columns: A, numbers of an encoded row.
        width: neurons of each hidden layer.
        embedding_dim: neurons of the embedding layer, which has no activation.
        normalize: put vectors on the unit sphere.
    """

    def __init__(self, num_columns: int, *, width: int, embedding_dim: int, normalize: bool) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(num_columns, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.embedding = nn.Linear(width, embedding_dim)
        self.normalize = normalize

    def forward(self, rows: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(self.hidden(rows))
        return F.normalize(vectors, dim=1) if self.normalize else vectors
