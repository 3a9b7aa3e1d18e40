"""What a router is worth: metrics, baselines, intervals."""
