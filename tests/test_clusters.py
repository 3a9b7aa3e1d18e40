"""Clusters of queries, on embeddings whose clusters are seen at a glance."""

import numpy as np

from zooter_ray.clusters import cluster_centres, cluster_tags

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def test_queries_of_one_direction_have_one_tag() -> None:
    embeddings_QD = np.array([EAST, NORTH] * 10)
    centre_TD = cluster_centres(embeddings_QD, 2, seed=0)
    np.testing.assert_allclose(sorted(centre_TD.tolist()), [NORTH, EAST], atol=1e-9)
    tags = cluster_tags(embeddings_QD, centre_TD)
    assert tags == [tags[0], tags[1]] * 10
    assert tags[0] != tags[1]


def test_the_nearest_centre_is_chosen_even_if_another_is_longer() -> None:
    centre_TD = np.array([[1.0, 0.0], [0.9, 0.9]])
    assert cluster_tags(np.array([[1.0, 0.0], [0.6, 0.8]]), centre_TD) == ["cluster 0", "cluster 1"]


def test_there_are_no_more_clusters_than_queries() -> None:
    assert len(cluster_centres(np.array([EAST, NORTH]), 16, seed=0)) == 2
