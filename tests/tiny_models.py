"""Models of true architectures with few random weights, and tokenizers trained on a few sentences, made in a moment."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from zooter_ray.config.training import TrainingConfig
from zooter_ray.rewards.pair_ranker import DebertaPairRanker
from zooter_ray.rewards.ultrarm import LlamaRewardModel
from zooter_ray.router.directory import ONNX_FILE, ZOOTER_JSON, RouterCard
from zooter_ray.router.export import export_onnx
from zooter_ray.router.model import new_router

torch.set_num_threads(1)  # models this small only wait for further threads, for long if the machine is busy

SENTENCES = (
    "What is the capital of France?",
    "The capital of France is Paris, a city on the river Seine.",
    "Write a Python function that adds two numbers.",
    "def add(a, b): return a + b",
    "How many apples are left if Tom eats three of his seven apples?",
    "Four apples are left, because seven minus three is four.",
    "Human: name a red fruit. Assistant: a red apple, a blue plum, a green pear.",
)
CHAT_TEMPLATE = "<s>{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@functools.cache
def _word_piece() -> str:
    """A trained tokenizer as JSON, made once: training breaks ties by chance."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=specials))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer.to_str()


def encoder_tokenizer() -> PreTrainedTokenizerFast:
    """A word-piece tokenizer that writes `[CLS] a [SEP] b [SEP]`, as BERT and DeBERTa do."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_word_piece()),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@functools.cache
def _byte_level() -> str:
    """A trained tokenizer as JSON, made once."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B:1", special_tokens=[("<s>", 1)]
    )
    return tokenizer.to_str()


def decoder_tokenizer(
    pad_token: str | None = "<pad>", chat_template: str | None = CHAT_TEMPLATE, special_tokens: Sequence[str] = ()
) -> Any:
    """A byte-level tokenizer that writes `<s>` in front, as LLaMA's does; the first special token given is its BOS."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_byte_level()),
        bos_token="<s>",
        eos_token="</s>",
        pad_token=pad_token,
        chat_template=chat_template,
        model_max_length=512,
    )
    if special_tokens:
        tokenizer.add_special_tokens({"bos_token": special_tokens[0], "additional_special_tokens": special_tokens[1:]})
    return tokenizer


def save_bert(directory: Path, num_labels: int, **settings: Any) -> Path:
    """A BERT sequence classifier and its tokenizer."""
    tokenizer = encoder_tokenizer()
    torch.manual_seed(1)
    config = BertConfig(vocab_size=len(tokenizer), num_labels=num_labels, initializer_range=0.3, **SHAPE, **settings)
    return _save(directory, BertForSequenceClassification(config), tokenizer)


def save_encoder(directory: Path) -> Path:
    """A BERT without any head, as routers start from, and its tokenizer."""
    tokenizer = encoder_tokenizer()
    torch.manual_seed(5)
    return _save(directory, BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPE)), tokenizer)


def save_deberta(directory: Path, num_labels: int = 1) -> Path:
    """A DeBERTa-v2 sequence classifier with relative positions and two segments, and its tokenizer."""
    tokenizer = encoder_tokenizer()
    torch.manual_seed(2)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        num_labels=num_labels,
        type_vocab_size=2,
        relative_attention=True,
        position_biased_input=False,  # as the published ones: no table of positions
        pos_att_type=["c2p", "p2c"],
        initializer_range=0.3,
        **SHAPE,
    )
    return _save(directory, DebertaV2ForSequenceClassification(config), tokenizer)


def save_modernbert(directory: Path, num_labels: int) -> Path:
    """A ModernBERT sequence classifier, whose layers but every third look at eight tokens only, and its tokenizer."""
    tokenizer = encoder_tokenizer()
    torch.manual_seed(7)
    ids = {"pad_token_id": 0, "bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    shape = {**SHAPE, "num_hidden_layers": 4, "local_attention": 8}
    config = ModernBertConfig(
        vocab_size=len(tokenizer), num_labels=num_labels, initializer_range=0.3, initializer_cutoff_factor=2.0,
        **ids, **shape,
    )  # fmt: skip
    return _save(directory, ModernBertForSequenceClassification(config), tokenizer)


def save_xlm_roberta(directory: Path, num_labels: int) -> Path:
    """An XLM-RoBERTa sequence classifier, which counts positions from the padding token's id, and its tokenizer."""
    tokenizer = encoder_tokenizer()
    torch.manual_seed(8)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        num_labels=num_labels,
        initializer_range=0.3,
        type_vocab_size=1,
        pad_token_id=0,
        **SHAPE,
    )
    return _save(directory, XLMRobertaForSequenceClassification(config), tokenizer)


def save_llama_classifier(directory: Path, num_labels: int = 1, **tokenizer_settings: Any) -> Path:
    """A LLaMA sequence classifier, which reads its logits at the last token, and its tokenizer."""
    tokenizer = decoder_tokenizer(**tokenizer_settings)
    torch.manual_seed(3)
    config = _llama_config(tokenizer, num_labels=num_labels)
    return _save(directory, LlamaForSequenceClassification(config), tokenizer)


def save_ultrarm(directory: Path, pad_token: str | None = None) -> Path:
    """A LLaMA with a regression head, as UltraRM's checkpoint has it; that one's tokenizer knows no padding."""
    tokenizer = decoder_tokenizer(pad_token=pad_token)
    torch.manual_seed(4)
    return _save(directory, LlamaRewardModel(_llama_config(tokenizer)), tokenizer)


def save_pair_ranker(directory: Path, n_tasks: int = 1) -> Path:
    """A DeBERTa that compares two responses, as PairRM-hf's checkpoint has it, and a tokenizer with its prefixes."""
    tokenizer = encoder_tokenizer()
    tokenizer.add_tokens(["<|source|>", "<|candidate1|>", "<|candidate2|>", "<|candidate|>"])
    names = {"source": "source", "cand1": "candidate1", "cand2": "candidate2", "cand": "candidate"}
    prefix_ids = {f"{k}_prefix_id": tokenizer.convert_tokens_to_ids(f"<|{name}|>") for k, name in names.items()}
    torch.manual_seed(6)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        type_vocab_size=0,
        position_biased_input=False,
        relative_attention=True,
        position_buckets=32,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        pos_att_type=["p2c", "c2p"],
        initializer_range=0.3,
        drop_out=0.05,
        n_tasks=n_tasks,
        **prefix_ids,
        **SHAPE,
    )
    return _save(directory, DebertaPairRanker(config), tokenizer)


def save_router(directory: Path, experts: Sequence[str], **card: Any) -> Path:
    """A router directory: a BERT whose classes are the experts, its tokenizer and zooter.json."""
    names = dict(enumerate(experts))
    save_bert(directory, len(experts), id2label=names, label2id={name: index for index, name in names.items()})
    content = router_card(experts, **card).to_json()
    (directory / ZOOTER_JSON).write_text(json.dumps(content), encoding="utf-8")
    return directory


def save_mean_router(directory: Path, experts: Sequence[str], hidden: int | None = None, **card: Any) -> Path:
    """A router directory of a mean-pooled BERT, with its `router.onnx`."""
    save_encoder(directory)
    config = TrainingConfig(backbone=str(directory), pooling="mean", hidden=hidden)
    model, tokenizer = new_router(config, experts), encoder_tokenizer()
    for weight in model.parameters():
        weight.data *= 10  # as it is, the head tells no query from another
    _save(directory, model, tokenizer)
    onnx = export_onnx(model, tokenizer, directory / ONNX_FILE).to_json()
    content = router_card(experts, pooling="mean", onnx=onnx, **card).to_json()
    (directory / ZOOTER_JSON).write_text(json.dumps(content), encoding="utf-8")
    return directory


def router_card(experts: Sequence[str], **changed: Any) -> RouterCard:
    """The card of a router over some experts."""
    content: dict[str, Any] = {
        "experts": list(experts),
        "loss": "kl",
        "beta": 0.3,
        "temperature": 1.0,
        "pooling": "native",
        "max_length": 64,
        "truncation_side": "right",
        "calibration": None,
        "data_fingerprint": "0123456789abcdef",
        "versions": {},
        "validation": {"loss": 0.1, "epochs": []},
        "baselines": {"overall": dict.fromkeys(experts, 0.5), "per_source": {}},
    }
    return RouterCard(**{**content, **changed})


def _llama_config(tokenizer: Any, **settings: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
        **SHAPE,
        **settings,
    )


def _save(directory: Path, model: Any, tokenizer: Any) -> Path:
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
