"""What can go wrong, and whose turn it is.

ZooterError             anything this project raises on purpose; its message is one sentence for a person
├── InputError          the user's input is wrong: exit code 2
│   ├── ConfigError     a config file, a key or an override
│   └── DataError       a data file, a row or a value in it
├── ArtifactError       a run directory or router directory that cannot be used, written or trusted
├── StageError          a stage finished without what the next one needs
├── ClusterError        Ray does not start
├── ServiceError        the service does not start
└── SandboxError        the sandbox for generated code could not be set up

Every exception takes its message alone, so that it survives pickling on its way between Ray processes.
"""


class ZooterError(Exception):
    """Base of all exceptions raised on purpose."""

    @property
    def sentence(self) -> str:
        """The message alone: what comes out of a Ray worker has that as its `cause`, and Ray's advice behind it."""
        return str(getattr(self, "cause", self)).splitlines()[0]


class InputError(ZooterError):
    """The user's input is wrong."""


class ConfigError(InputError):
    """A config file, a key or an override is wrong."""


class DataError(InputError):
    """A data file, a row or a value in it is wrong."""


class ArtifactError(ZooterError):
    """A run directory or router directory cannot be used, written or trusted."""


class StageError(ZooterError):
    """A stage finished without what the next one needs."""


class ClusterError(ZooterError):
    """Ray does not start."""


class ServiceError(ZooterError):
    """The service does not start."""


class SandboxError(ZooterError):
    """The sandbox for generated code could not be set up."""


def one_line(error: BaseException, most: int = 300) -> str:
    """What another library's exception says, on one line and no longer than it is read."""
    return " ".join(str(error).split())[:most]
