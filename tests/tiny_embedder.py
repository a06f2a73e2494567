"""A small real embedder: a random two-layer BERT of 32 numbers behind MiniLM's tokenizer, pooled and normalised."""

from pathlib import Path

import torch


def save_embedder(folder: Path, seed: int = 0, window: int = 32, prompts: dict[str, str] | None = None) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    from langlearn import assets

    tokenizer = AutoTokenizer.from_pretrained(assets.embedder_folder("all-MiniLM-L6-v2"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=512,
    )  # fmt: skip
    transformer = folder.with_name(folder.name + "-transformer")
    BertModel(config).save_pretrained(transformer)
    tokenizer.save_pretrained(transformer)
    parts = [Transformer(str(transformer), max_seq_length=window), Pooling(32), Normalize()]
    SentenceTransformer(modules=parts, prompts=prompts, device="cpu").save(str(folder))
    return folder
