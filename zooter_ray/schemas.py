"""The tables that stages hand to each other: column names and Arrow schemas.

queries     one row per query
conversations one row per query that may have turns before it
tags        one row per query: its tags as the tagger spelled them
responses   one row per (query, expert, sample); carries the query's text and reference, so that scoring needs no join
rewards     one row per (query, expert, sample) and reward model
comparisons one row per (query, pair of experts, sample): what a pair ranker makes of the two, in both orders
outcomes    one row per query: all that is known of it, lists in the order of experts and reward models of the manifest
labels      one row per query: what is learned from, with its soft label, lists in the expert order of the manifest
tag_labels  one row per tag: the mean of the sample labels of its training queries
rejected    one row per row that a stage could not use, with the reason
"""

import pyarrow as pa

# Files in units of labels and supervision: labelled rows as an outcomes file, TAG_LABELS, what reward models say.
OUTCOMES_FILE, TAG_LABELS_FILE, SUPERVISION_FILE = "outcomes.parquet", "tags.parquet", "supervision.json"

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

MESSAGE = pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())])

CONVERSATIONS = QUERIES.append(pa.field("history", pa.list_(MESSAGE), nullable=False))

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
        pa.field("prompt_tokens", pa.int32()),  # null: the endpoint does not tell
        pa.field("generated_tokens", pa.int32()),
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

COMPARISONS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("first", pa.string(), nullable=False),  # an expert
        pa.field("second", pa.string(), nullable=False),
        pa.field("forward", pa.float64(), nullable=False),  # C[first, second]
        pa.field("backward", pa.float64(), nullable=False),  # C[second, first]
    ]
)

OUTCOMES = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("query", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # train | eval
        pa.field("rewards", pa.list_(pa.list_(pa.float64())), nullable=False),  # per reward model and expert; NaN: none
        pa.field("costs", pa.list_(pa.float64()), nullable=False),  # generated tokens per expert; NaN: not known
    ]
)

TAG_LABELS = pa.schema(
    [
        pa.field("tag", pa.string(), nullable=False),
        pa.field("queries", pa.int64(), nullable=False),
        pa.field("label", pa.list_(pa.float64()), nullable=False),
    ]
)

# The same while it is added up: sums over some rows.
TAG_SUMS = TAG_LABELS.append(pa.field("squares", pa.list_(pa.float64()), nullable=False))

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
