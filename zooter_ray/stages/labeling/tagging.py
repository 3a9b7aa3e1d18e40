"""Tags for the queries of an outcomes file that bring none along: clusters by meaning, which stand for its tasks."""

from dataclasses import replace

import numpy as np
from rich.console import Console

from zooter_ray.clusters import cluster_centres, cluster_tags
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.queries import ClustersTagger
from zooter_ray.hashing import hash_fraction
from zooter_ray.labels import with_validation
from zooter_ray.outcomes import Outcomes
from zooter_ray.progress import map_rows


def with_tags(outcomes: Outcomes, config: LabelingConfig, console: Console) -> Outcomes:
    """Give the queries that nothing smooths the tags of `config.tagger`; the same outcomes if there are none.

    Centres are fitted on the rows that are learned from.
    """
    tagger = config.tagger
    bare = [] if config.source_as_tag else [row for row, tags in enumerate(outcomes.tags) if not tags]
    if not isinstance(tagger, ClustersTagger) or not bare:
        return outcomes
    from zooter_ray.embedding import Embedder  # torch takes seconds to import, and this stage's tasks need none

    embed = Embedder(tagger.embedder, tagger.max_length)
    embeddings_QD = map_rows(embed, [outcomes.queries[row] for row in bare], "embedding for clusters", console)
    splits, share = with_validation(outcomes, config).splits, tagger.fitted_on / len(bare)
    fitted_Q = np.array(
        [
            splits[row] == "train" and hash_fraction(config.seed, "cluster", outcomes.query_ids[row]) < share
            for row in bare
        ]
    )
    if not fitted_Q.any():
        return outcomes
    found = cluster_tags(embeddings_QD, cluster_centres(embeddings_QD[fitted_Q], tagger.clusters, config.seed))
    tags = list(outcomes.tags)
    for row, tag in zip(bare, found, strict=True):
        tags[row] = [tag]
    return replace(outcomes, tags=tags)
