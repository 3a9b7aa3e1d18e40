"""What a plan is made of: lines, and the planner that knows the config, the workload and the GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zooter_ray.config import RunConfig
from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.errors import ConfigError
from zooter_ray.planning.calibration import Calibration
from zooter_ray.planning.cost import Efficiency, Replica, Work
from zooter_ray.planning.models import shape_of
from zooter_ray.planning.tables import Gpu, gpu_named
from zooter_ray.planning.workload import Workload

CPU = "cpu"


@dataclass(frozen=True)
class Line:
    """One unit of work: experts that share an engine, a reward model, or a stage that has one unit."""

    stage: str
    unit: str
    key: str  # what calibration knows it by: the model's source, or the kind of work
    gpus: float  # held while it runs
    replicas: int
    rows: float
    tokens_in: float
    tokens_out: float
    flops: float
    bytes_moved: float
    storage_bytes: float
    start_s: float
    busy_s: float
    bound: str  # compute, memory bandwidth, or neither

    @property
    def wall_s(self) -> float:
        """Start and work."""
        return self.start_s + self.busy_s

    @property
    def gpu_hours(self) -> float:
        """GPUs held times hours."""
        return self.gpus * self.wall_s / 3600


@dataclass(frozen=True)
class Plan:
    """Every line, and what they rest on."""

    gpu: str
    gpus: int
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def wall_s(self) -> float:
        """The lines run one after the other."""
        return sum(line.wall_s for line in self.lines)

    def stage_gpu_hours(self, stage: str) -> float:
        """GPU hours of a stage."""
        return sum(line.gpu_hours for line in self.lines if line.stage == stage)


@dataclass(frozen=True)
class Planner:
    """All that a line is made from."""

    config: RunConfig
    workload: Workload
    gpu: Gpu
    gpus: int
    efficiency: Efficiency = field(default_factory=Efficiency)
    parameters: Mapping[str, float] = field(default_factory=dict)  # by model source, of models that are not known here
    calibration: Calibration = field(default_factory=Calibration)

    def replicas(self, user: str, resources: StageResources, tensor_parallel_size: int = 1) -> tuple[int, float]:
        """How many replicas of a unit run, and the GPUs that they hold together.

        Raises:
            ConfigError: if there are too few GPUs for one.
        """
        most = worker_range(resources)[1]
        each = tensor_parallel_size * (1.0 if self.gpu.name == CPU else resources.num_gpus)
        if not each:
            return most, 0.0
        count = min(most, int(self.gpus // each))
        if not count:
            raise ConfigError(f"{user}: one replica needs {each:g} GPUs, and --gpus says {self.gpus}")
        return count, count * each

    def replica(
        self, user: str, source: str, each: float, resources: StageResources, gpus: int = 1, share: float = 1.0
    ) -> Replica:
        """A model (`each`: bytes per parameter) on its GPUs, or on a CPU where it asks for none.

        Raises:
            ConfigError: if the weights do not fit.
        """
        gpu = self.gpu if resources.num_gpus else gpu_named(CPU)
        replica = Replica(shape_of(source, self.parameters), gpu, gpus, each, self.efficiency)
        if not replica.fits(share):
            raise ConfigError(
                f"{user}: the weights of {source} take {replica.weights / 1e9:.0f} GB and do not fit into "
                f"{gpus} x {gpu.memory_gb:g} GB ({gpu.name}, {share:.0%} of it); raise tensor_parallel_size or take a "
                "larger GPU"
            )
        return replica

    def model_start_s(self, replica: Replica, fixed_s: float) -> float:
        """Start of a process and loading of its weights."""
        return self.efficiency.stage_start_s + fixed_s + replica.weights / self.efficiency.load_bytes_per_s

    def line(
        self,
        stage: str,
        unit: str,
        key: str,
        work: Work,
        start_s: float,
        held: tuple[int, float],
        rows: float,
        storage_bytes: float,
        tokens: tuple[float, float] = (0.0, 0.0),
    ) -> Line:
        """A line from the work of one of its replicas, calibrated."""
        start_s, busy_s = self.calibration.apply(stage, key, start_s, work.busy_s)
        return Line(
            stage=stage, unit=unit, key=key, gpus=held[1], replicas=held[0], rows=rows,
            tokens_in=tokens[0], tokens_out=tokens[1],
            flops=work.flops * held[0], bytes_moved=work.moved * held[0], storage_bytes=storage_bytes,
            start_s=start_s, busy_s=busy_s, bound="neither" if start_s > busy_s else work.bound,
        )  # fmt: skip


def note_of(calibration: Calibration, efficiency: Efficiency) -> list[str]:
    """What stands behind the times."""
    values: dict[str, Any] = vars(efficiency)
    shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
    if not calibration.factors:
        return [f"not calibrated (--measured RUN_DIR); assumed: {shown}"]
    factors = ", ".join(f"{key} x{factor:.2f}" for key, factor in calibration.factors.items())
    return [f"calibrated, work against the model's own: {factors}", f"assumed where nothing was measured: {shown}"]
