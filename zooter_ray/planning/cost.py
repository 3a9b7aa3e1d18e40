"""The equations of the cost model. Times are seconds of one replica; every GPU has a roofline of two edges.

    t_compute(F) = F / (peak * mfu)          t_memory(B) = B / (bandwidth * bandwidth_efficiency)

A    parameters of the layers that a token is multiplied with (of a mixture: of the active experts)
H    parameters of the language-model head
W    bytes of all weights, = parameters * bytes per parameter
K    bytes of KV cache per token = 2 * layers * kv_heads * head_dim * bytes per value
L    tokens of a sequence
g    GPUs of one replica (tensor_parallel_size); peak, bandwidth and memory below are those of g GPUs together

Prefill of one sequence (the head is needed for its last token only), half of the attention where it is causal:
    F = 2 A L + 4 layers heads head_dim L^2 * (1/2 if causal)

Decoding with b sequences at a time, each with a context of L = prompt + generated / 2 tokens on average:
    t_step = max( t_compute(b (2 (A + H) + 4 layers heads head_dim L)), t_memory(W + b K L) )
    b      = min( max_num_seqs, batch_size * concurrent_batches, rows of the replica,
                  (memory * gpu_memory_utilization - W) / (K (prompt + generated)) )
    steps  = rows * generated / b
of a mixture W counts whole: a large batch meets every expert.

Reading sequences (scoring, embedding, routing): a batch of b is prefilled, and the weights are read once for it:
    t_batch = max( t_compute(b F), t_memory(W) )
Pair rankers read M (M - 1) ordered pairs of each sample of each query; generative judges prefill and decode.

Training, per step of b rows over all workers: forward and backward are 3 times the forward pass, so 6 A L and 3 times
the attention, but no step is faster than its kernels can be launched:
    t_step  = max( t_compute(3 b F / workers), step_floor_s )     steps = epochs * rows / batch_size
    t_epoch = epoch_s + 12 bytes * parameters / load_bytes_per_s  (the checkpoint: weights and AdamW's moments in fp32)

A unit of R rows on r replicas takes
    start_s + busy_s(R / r),    r = min( workers, GPUs / (g * num_gpus) ) rounded down,
    start_s = engine_start_s (or actor_start_s) + W / load_bytes_per_s
and the units of a run follow one another, as the pipeline runs them. Calibration replaces start_s by the measured one
and multiplies busy_s by measured / predicted, which is one over the factor on the effective FLOP/s and bandwidth.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from zooter_ray.planning.models import ModelShape
from zooter_ray.planning.tables import Gpu


@dataclass(frozen=True)
class Efficiency:
    """What is not on any data sheet; calibration replaces it by what was measured."""

    mfu_generation: float = 0.5  # large matrices in half precision reach 50 to 60% of the peak on A100s
    mfu_reading: float = 0.4  # a plain forward pass under SDPA: no fused kernels, some padding left in the buckets
    mfu_training: float = 0.3  # a small encoder: narrow matrices, an optimizer step, gradients to exchange
    bandwidth_efficiency: float = 0.7  # streams of weights reach 80%; sampling and scheduling lie between the steps
    step_floor_s: float = 0.05  # thousands of kernels of forward, backward and AdamW, and an all-reduce
    load_bytes_per_s: float = 1e9  # weights from a shared file system over a network of 10 Gbit/s
    engine_start_s: float = 40.0  # processes, imports, profiling and graph capture of vLLM
    actor_start_s: float = 15.0  # an actor that imports torch and transformers
    stage_start_s: float = 2.0  # Ray Data's own workers
    cleaning_start_s: float = 15.0  # those of reading, two shuffles and a sort
    epoch_s: float = 0.5  # validation, and Ray Train's report
    cpu_s_per_row: float = 0.001  # rules, references, near-duplicates; a row that runs generated code takes more
    evaluation_s: float = 2.0  # plots and the page
    http_first_token_s: float = 0.5  # of a hosted endpoint
    http_token_s: float = 0.02


@dataclass(frozen=True)
class Replica:
    """A model on the GPUs of one replica."""

    shape: ModelShape
    gpu: Gpu
    gpus: int
    parameter_bytes: float  # bytes per parameter
    efficiency: Efficiency

    @property
    def weights(self) -> float:
        """W, bytes."""
        return self.shape.parameters * self.parameter_bytes

    @property
    def kv_bytes(self) -> float:
        """K, bytes per token; the cache stays in half precision where weights are quantised."""
        return self.shape.kv_bytes(max(2.0, self.parameter_bytes))

    def compute_s(self, flops: float, mfu: float) -> float:
        """t_compute."""
        return flops / (self.gpus * self.gpu.peak(self.parameter_bytes) * mfu)

    def memory_s(self, moved: float) -> float:
        """t_memory of some bytes."""
        return moved / (self.gpus * self.gpu.bandwidth * self.efficiency.bandwidth_efficiency)

    def fits(self, memory_share: float) -> bool:
        """Whether the weights leave any room for a KV cache."""
        return self.weights < self.gpus * self.gpu.memory * memory_share

    def largest_batch(self, tokens: float, memory_share: float) -> float:
        """Sequences of so many tokens whose KV cache fits beside the weights; at least one."""
        free = self.gpus * self.gpu.memory * memory_share - self.weights
        return max(1.0, free // (self.kv_bytes * tokens))


@dataclass(frozen=True)
class Work:
    """What one replica has to do."""

    flops: float = 0.0
    moved: float = 0.0  # bytes through the memory of the GPU
    compute_s: float = 0.0  # of busy_s, what arithmetic takes
    memory_s: float = 0.0  # of busy_s, what moving bytes takes
    other_s: float = 0.0  # of busy_s, what neither takes

    @property
    def busy_s(self) -> float:
        """The time after the start."""
        return self.compute_s + self.memory_s + self.other_s

    @property
    def bound(self) -> str:
        """What takes most of the time."""
        names = {"compute": self.compute_s, "memory bandwidth": self.memory_s, "neither": self.other_s}
        return max(names, key=names.__getitem__)

    def __add__(self, other: "Work") -> "Work":
        return Work(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def attention_flops(shape: ModelShape, length: float) -> float:
    """Of one sequence against itself: 4 layers heads head_dim L^2, half of it under a causal mask."""
    return 4 * shape.layers * shape.width * length**2 * (1.0 if shape.encoder else 0.5)


def forward_flops(shape: ModelShape, length: float) -> float:
    """Prefill of one sequence."""
    return 2 * shape.active * length + attention_flops(shape, length)


def roofline(replica: Replica, flops: float, moved: float, mfu: float, times: float) -> Work:
    """So many equal steps, each as slow as the slower of arithmetic and memory."""
    compute_s, memory_s = replica.compute_s(flops, mfu), replica.memory_s(moved)
    slow = (compute_s, 0.0) if compute_s >= memory_s else (0.0, memory_s)
    return Work(flops * times, moved * times, slow[0] * times, slow[1] * times)


def generation(
    replica: Replica, rows: float, prompt: float, generated: float, max_batch: float, memory_share: float
) -> Work:
    """Prefill and decoding of `rows` sequences of these mean lengths, `max_batch` at a time at most."""
    if rows <= 0:
        return Work()
    batch = min(max_batch, rows, replica.largest_batch(prompt + generated, memory_share))
    shape, mfu, context = replica.shape, replica.efficiency.mfu_generation, prompt + generated / 2
    prefill = roofline(replica, batch * forward_flops(shape, prompt), replica.weights, mfu, rows / batch)
    per_token = 2 * (shape.active + shape.head) + 4 * shape.layers * shape.width * context
    moved = replica.weights + batch * replica.kv_bytes * context
    return prefill + roofline(replica, batch * per_token, moved, mfu, rows * generated / batch)


def reading(replica: Replica, rows: float, tokens: float, batch: float) -> Work:
    """Forward passes over `rows` sequences, in batches of like lengths."""
    batch = max(1.0, min(batch, rows))
    flops = batch * forward_flops(replica.shape, tokens)
    return roofline(replica, flops, replica.weights, replica.efficiency.mfu_reading, rows / batch)


def training(replica: Replica, rows: float, tokens: float, epochs: int, batch: int, workers: int) -> Work:
    """What one of `workers` does in all steps of all epochs."""
    efficiency = replica.efficiency
    flops = 3 * (batch / workers) * forward_flops(replica.shape, tokens)
    steps = epochs * rows / batch
    compute_s = replica.compute_s(flops, efficiency.mfu_training)
    moved = 8 * replica.weights * steps  # weights, gradients and both moments of AdamW, read and written
    between_s = epochs * (efficiency.epoch_s + 12 * replica.shape.parameters / efficiency.load_bytes_per_s)
    if compute_s >= efficiency.step_floor_s:
        return Work(flops * steps, moved, compute_s=compute_s * steps, other_s=between_s)
    return Work(flops * steps, moved, other_s=efficiency.step_floor_s * steps + between_s)


def pairs(samples: Sequence[int]) -> int:
    """Ordered pairs of responses to a query by different experts, which have so many samples each."""
    return sum(max(first, second) for first, second in itertools.permutations(samples, 2))
