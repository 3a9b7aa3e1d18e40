"""What the kinds of scoring share: the name of the stage, and the rows that are committed."""

import pyarrow as pa

from zooter_ray.schemas import REJECTED, REWARDS

STAGE = "03_rewards"
# Either a reward, or an error and maybe its detail.
REWARDED = pa.schema(
    [*(field.with_nullable(True) for field in REWARDS), pa.field("error", pa.string()), REJECTED.field("detail")]
)
