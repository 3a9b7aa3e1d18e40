"""Jobs on a real local cluster, submitted as the README says."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from zooter_ray.artifacts import read_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def submit(environment: dict[str, str], *entrypoint: str) -> tuple[int, str]:
    """Exit code and output of `ray job submit`, which waits for the job and prints its log."""
    command = ["ray", "job", "submit", "--working-dir", ".", "--", "python", *entrypoint]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return result.returncode, result.stdout


@pytest.mark.usefixtures("cluster")
def test_a_submitted_job_succeeds_and_a_bad_one_fails_in_one_sentence(
    environment: dict[str, str], settings: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    code, output = submit(environment, "jobs/run.py", "--config", str(config))
    assert code == 0, output
    assert "succeeded" in output
    paths = read_json(f"{settings['run_dir']}/run.json")
    assert read_json(f"{paths['evaluation']}/report.json")["rows"] == 12

    code, output = submit(environment, "jobs/queries.py", "--config", str(config), "--set", "queries.sede=1")
    assert code != 0
    assert "unknown key 'queries.sede'; did you mean 'seed'?" in output
    assert 'File "' not in output
