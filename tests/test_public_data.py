"""The public RouterDC outcomes: distilled, routed and evaluated; skipped where ZOOTER_PUBLIC_DATA names none."""

import gzip
import json
import os
from itertools import islice
from pathlib import Path

import pytest

from tests.tiny_models import save_bert
from zooter_ray.cli.main import main
from zooter_ray.outcomes import read_outcomes

DATA = Path(os.environ.get("ZOOTER_PUBLIC_DATA", "/nonexistent")) / "routerdc"

pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason="ZOOTER_PUBLIC_DATA names no data")]


@pytest.mark.parametrize(("name", "rows"), [("train", 5935), ("dev", 4754), ("ood_dev", 681)])
def test_the_outcomes_are_read_whole(name: str, rows: int) -> None:
    outcomes = read_outcomes(str(DATA / f"{name}.jsonl.gz"))
    assert outcomes.rewards_QM.shape == (rows, 7)
    assert outcomes.metrics_QM is not None


@pytest.mark.slow
@pytest.mark.extended
def test_distill_route_and_evaluate_work_on_routerdc(tmp_path: Path, ray_session: None) -> None:
    train, dev = (tmp_path / f"{name}.jsonl" for name in ("train", "dev"))
    for target in (train, dev):
        with gzip.open(DATA / f"{target.stem}.jsonl.gz", "rt") as lines:
            target.write_text("".join(islice(lines, 300)))
    backbone = save_bert(tmp_path / "backbone", 7)
    router = str(tmp_path / "router")
    settings = [
        f"training.backbone={backbone}",
        "training.epochs=1",
        "training.max_length=32",
        "labeling.temperature=0.1",
    ]
    overrides = [part for setting in settings for part in ("--set", setting)]
    assert main(["distill", "--rewards", str(train), "--output", router, *overrides]) == 0
    routed = tmp_path / "routed.jsonl"
    assert main(["route", "--router", router, "--queries", str(dev), "--output", str(routed)]) == 0
    rows = [json.loads(line) for line in routed.read_text().splitlines()]
    assert [row["query_id"] for row in rows] == [json.loads(line)["query_id"] for line in dev.read_text().splitlines()]
    report = tmp_path / "report"
    assert main(["evaluate", "--router", router, "--outcomes", str(dev), "--output", str(report)]) == 0
    methods = {m["method"]: m["mean"] for m in json.loads((report / "report.json").read_text())["methods"]}
    assert methods["oracle"] > methods["zooter"] > 0
