"""`zooter tune` refuses bad input before Ray starts, in one sentence."""

from pathlib import Path

import pytest

from zooter_ray.cli.main import main


@pytest.mark.parametrize(
    ("search", "arguments", "sentence"),
    [
        ("space: {labeling.betta: [1]}", [], "unknown key 'labeling.betta'; did you mean 'beta'?"),
        ("space: {labeling.beta: [1]}", ["--trials", "3"], "trials is for search: random"),
        ("space: {labeling.beta: [1]}", [], "none.jsonl does not exist"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], search: str, arguments: list[str], sentence: str
) -> None:
    config, output = tmp_path / "search.yaml", tmp_path / "search"
    config.write_text(f"tuning: {{{search}}}")
    command = ["tune", "--config", str(config), "--rewards", str(tmp_path / "none.jsonl"), "--output", str(output)]
    assert main([*command, *arguments]) == 2
    (printed,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("zooter ")]
    assert sentence in printed
    assert not output.exists()
