"""Distil the router, as a Ray job (and whatever comes before and is not complete yet).

ray job submit --working-dir . -- python jobs/training.py --config jobs/configs/demo.yaml
"""

import sys

from run import main

if __name__ == "__main__":
    sys.exit(main("training"))
