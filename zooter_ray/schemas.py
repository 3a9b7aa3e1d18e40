"""The tables that stages hand to each other: column names and Arrow schemas.

queries     one row per query
tags        one row per query: its tags as the tagger spelled them
responses   one row per (query, expert, sample); carries the query's text and reference, so that scoring needs no join
rewards     one row per (query, expert, sample) and reward model
labels      one row per query: an outcomes row plus its soft label, lists in the expert order of the manifest
rejected    one row per row that a stage could not use, with the reason
"""

import pyarrow as pa

QUERIES = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # train | eval
        pa.field("reference", pa.string()),  # JSON, see zooter_ray.grading
    ]
)

TAGS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),  # 0
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("failure", pa.string()),  # why there are no tags, where tagging failed
    ]
)

VOCABULARY = pa.schema(
    [
        pa.field("raw", pa.string(), nullable=False),  # as the tagger spelled it
        pa.field("tag", pa.string()),  # what it became; null: too rare
        pa.field("queries", pa.int64(), nullable=False),  # how many have it
    ]
)

RESPONSES = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("expert", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("response", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),  # stop | length
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("generated_tokens", pa.int32(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),  # request to last token, queueing included
    ]
)

REWARDS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("expert", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("reward_model", pa.string(), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
    ]
)

LABELS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # train | validation | eval
        pa.field("rewards", pa.list_(pa.float64()), nullable=False),
        pa.field("metrics", pa.list_(pa.float64())),  # null: no metric but the reward
        pa.field("costs", pa.list_(pa.float64())),  # generated tokens
        pa.field("label", pa.list_(pa.float64()), nullable=False),
        pa.field("has_preference", pa.bool_(), nullable=False),
    ]
)

REJECTED = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("expert", pa.string()),
        pa.field("sample", pa.int32()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
