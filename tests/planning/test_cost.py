"""The equations of the cost model, against values worked out by hand."""

import dataclasses

import pytest

from zooter_ray.planning.cost import (
    Efficiency,
    Replica,
    Work,
    attention_flops,
    forward_flops,
    generation,
    pairs,
    reading,
    training,
)
from zooter_ray.planning.models import ModelShape
from zooter_ray.planning.tables import Gpu, gpu_named, table

LLAMA = ModelShape(**table("models")["shapes"]["llama-2-13b"])
TINY = ModelShape(layers=2, hidden=4, intermediate=8, heads=2, vocabulary=10)  # A = 320, H = 40, 420 parameters
# 1000 FLOP/s and 100 bytes/s at an efficiency of one half each, so 500 and 50.
TOY = Gpu("toy", half_tflops=1e-9, single_tflops=5e-10, memory_gb=1e-3, bandwidth_gb_s=1e-7)
HALVES = Efficiency(
    mfu_generation=0.5, mfu_reading=0.5, mfu_training=0.5, bandwidth_efficiency=0.5, step_floor_s=1.0, epoch_s=0.0,
    load_bytes_per_s=1e12,
)  # fmt: skip
A100 = Replica(LLAMA, gpu_named("A100-80G"), 1, 2.0, Efficiency())


def toy(**changed: object) -> Replica:
    return dataclasses.replace(Replica(TINY, TOY, 1, 2.0, HALVES), **changed)  # type: ignore[arg-type]


def test_the_forward_pass_is_two_flops_per_parameter_and_attention() -> None:
    assert attention_flops(TINY, 10) == 4 * 2 * 4 * 10**2 / 2 == 1600
    assert forward_flops(TINY, 10) == 2 * 320 * 10 + 1600 == 8000


def test_an_encoder_has_no_mask_and_so_twice_the_attention() -> None:
    assert attention_flops(dataclasses.replace(TINY, encoder=True), 10) == 3200


def test_prefill_and_decoding_take_what_the_roofline_says() -> None:
    # One row, prompt of 10, 2 generated. Prefill: 8000 FLOP at 500/s = 16 s, weights of 840 bytes at 50/s = 16.8 s.
    # A step, context of 11: 2 * 360 + 4 * 2 * 4 * 11 = 1072 FLOP = 2.144 s; 840 + 11 * 32 bytes = 23.84 s. Two of them.
    work = generation(toy(), rows=1, prompt=10, generated=2, max_batch=8, memory_share=1.0)
    assert TINY.kv_bytes(2) == 32
    assert (work.compute_s, work.memory_s) == (0.0, pytest.approx(16.8 + 2 * 23.84))
    assert work.flops == 8000 + 2 * 1072
    assert work.moved == 840 + 2 * (840 + 11 * 32)


def test_a_batch_shares_its_weights() -> None:
    # Four rows at once: prefill 32,000 FLOP = 64 s of arithmetic. A step: 4 * 1072 FLOP = 8.576 s, 840 + 4 * 352 bytes
    # = 44.96 s of memory, twice.
    work = generation(toy(), rows=4, prompt=10, generated=2, max_batch=8, memory_share=1.0)
    assert (work.compute_s, work.memory_s) == (pytest.approx(64.0), pytest.approx(2 * 44.96))


def test_more_rows_than_fit_take_turns() -> None:
    two = generation(toy(), 2, 10, 2, max_batch=2, memory_share=1.0)
    six = generation(toy(), 6, 10, 2, max_batch=2, memory_share=1.0)
    assert six.busy_s == pytest.approx(3 * two.busy_s)


def test_the_batch_is_what_the_cache_leaves_room_for() -> None:
    # 80 GB * 0.9 - 26.03 GB of weights = 45.97 GB; 2048 tokens of 819,200 bytes are 1.678 GB: 27 sequences.
    assert A100.largest_batch(2048, 0.9) == 27
    two = dataclasses.replace(A100, gpus=2)
    assert two.largest_batch(2048, 0.9) == (144e9 - LLAMA.parameters * 2) // (819_200 * 2048) == 70


def test_decoding_is_bound_by_memory_in_small_batches_and_by_compute_in_large_ones() -> None:
    # A100: a step of 1 moves 26 GB at 2039 * 0.7 GB/s, 18.2 ms; its arithmetic takes 2 * 12.85e9 / 156e12 = 0.16 ms.
    one = generation(A100, 1, 1, 16, max_batch=1, memory_share=0.9)
    assert one.bound == "memory bandwidth"
    assert one.busy_s / 17 == pytest.approx(18.2e-3, rel=0.01)
    many = generation(A100, 512, 1, 16, max_batch=512, memory_share=0.9)
    assert many.bound == "compute"
    assert many.compute_s == pytest.approx(512 * 2 * (12.69e9 + 16 * 12.85e9) / 156e12, rel=0.01)


def test_prefill_of_a_long_prompt_is_bound_by_compute() -> None:
    work = generation(A100, 1, 1024, 0, max_batch=1, memory_share=0.9)
    assert work.bound == "compute"
    assert work.flops == 2 * 12_687_769_600 * 1024 + 2 * 40 * 5120 * 1024**2
    assert work.busy_s == pytest.approx(work.flops / 156e12)


def test_full_precision_has_its_own_peak() -> None:
    half, single = toy().compute_s(1000, 0.5), toy(parameter_bytes=4.0).compute_s(1000, 0.5)
    assert (half, single) == (pytest.approx(2.0), pytest.approx(4.0))


def test_reading_takes_a_forward_pass_per_sequence_and_the_weights_once_per_batch() -> None:
    # Six sequences of 10 tokens, three at a time: 24,000 FLOP = 48 s per batch against 840 bytes = 16.8 s.
    work = reading(toy(), rows=6, tokens=10, batch=3)
    assert (work.busy_s, work.flops, work.moved) == (pytest.approx(96.0), 48_000, 1680)


def test_training_is_three_forward_passes_of_each_row_in_each_epoch() -> None:
    # 3 * 8000 FLOP a row, 4 rows a step: 96,000 FLOP = 192 s; 8 rows and 5 epochs are 10 steps.
    work = training(toy(), rows=8, tokens=10, epochs=5, batch=4, workers=1)
    assert work.compute_s == pytest.approx(1920.0)
    assert training(toy(), 8, 10, 5, 4, workers=4).compute_s == pytest.approx(480.0)
    six = 6 * TINY.active * 10 * 8 * 5
    assert work.flops == pytest.approx(six + 3 * 1600 * 8 * 5)


def test_a_training_step_is_no_faster_than_its_kernels_are_launched() -> None:
    work = training(toy(efficiency=dataclasses.replace(HALVES, step_floor_s=200.0)), 8, 10, 5, 4, 1)
    assert (work.busy_s, work.bound) == (pytest.approx(2000.0), "neither")


def test_a_pair_ranker_reads_all_ordered_pairs() -> None:
    assert pairs([1] * 6) == 30
    assert pairs([4, 4, 1]) == 6 * 4, "one with fewer samples is compared by its last one"


def test_no_row_takes_no_time() -> None:
    assert generation(toy(), 0, 10, 2, 8, 1.0) == Work()
