"""The layers, by reading imports: who may import whom, and what no module does while it is imported."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zooter_ray

ROOT = Path(zooter_ray.__file__).parents[1]

CONTRACTS = {
    "errors",
    "schemas",
    "config",
    "resources",
    "artifacts",
    "row_files",
    "outcomes",
    "hashing",
    "progress",
    "timing",
}
DOMAIN_BASE = {
    "chat",
    "clusters",
    "embedding",
    "grading",
    "experts",
    "planning",
    "package_models",
    "positions",
    "simulation",
    "tag_means",
    "tokenizers",
    "moments",
    "batching",
}
DOMAIN = {"queries", "rewards", "labels", "router", "evaluation"}
SHARED_BY_STAGES = {"stages.blocks", "stages.counts", "stages.engines", "stages.placement", "stages.reasons"}
LIBRARY = CONTRACTS | DOMAIN_BASE | DOMAIN

# What a module of zooter_ray may import of zooter_ray, but for its own subpackage.
MAY_IMPORT = {
    **dict.fromkeys(CONTRACTS, CONTRACTS),
    **dict.fromkeys(DOMAIN_BASE | DOMAIN, CONTRACTS | DOMAIN_BASE),
    "evaluation": CONTRACTS | DOMAIN_BASE | {"labels", "router.predictor"},
    "stages": LIBRARY | SHARED_BY_STAGES,
    "preparing": CONTRACTS | DOMAIN_BASE,
    "cluster": CONTRACTS,
    "worker_setup": set(),  # every process of Ray imports it
    "outputs": CONTRACTS | {"router.directory"},
    "pipeline": LIBRARY | {"stages", "preparing", "cluster", "outputs"},
    "cli": LIBRARY | {"stages", "pipeline", "preparing", "cluster"},
    "": LIBRARY | {"stages", "pipeline"},  # zooter_ray itself: the Python API
}
NEVER = {
    **{name: {"ray", "torch", "transformers", "vllm"} for name in CONTRACTS},
    **{name: {"ray", "vllm"} for name in DOMAIN_BASE | DOMAIN | {""}},
}
SERVE_APP_MAY_IMPORT = CONTRACTS | DOMAIN_BASE | {"rewards", "router.predictor", "router.directory"}
JOBS_MAY_IMPORT = LIBRARY | {"stages", "pipeline"}


def modules(package: str) -> dict[str, Path]:
    """Dotted names of a package's modules and where they are; none if there is no such package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


OURS = {package: modules(package) for package in ("zooter_ray", "jobs", "serve_app")}
EVERY_MODULE = {name: path for package in OURS.values() for name, path in package.items()}


def imports(name: str) -> set[str]:
    """Dotted names of all that a module imports, at its head or inside a function; a module where one is meant."""
    path = EVERY_MODULE[name]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(name, path, node)
            members = {f"{base}.{alias.name}" for alias in node.names}
            found |= {member for member in members if member in EVERY_MODULE}
            if not members <= EVERY_MODULE.keys():
                found.add(base)
    return found


def _absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    above = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join([*above, *filter(None, [node.module])])


def part(module: str) -> str:
    """Where a module of zooter_ray stands in the table: `router` for `zooter_ray.router.data`."""
    return ".".join(module.split(".")[1:2])


def inside(module: str, names: set[str], package: str = "zooter_ray") -> bool:
    """Whether a module is one of the named ones of a package, or in one of them."""
    return any(f"{module}.".startswith(f"{package}.{name}.") for name in names)


def own_ground(module: str) -> set[str]:
    """What a module may import because it is its own: its subpackage, but of the stages only its stage."""
    if part(module) != "stages":
        return {part(module)} - {""}
    return {".".join(module.split(".")[1:3])}


def test_the_files_of_the_package_are_found() -> None:
    assert {"zooter_ray", "zooter_ray.router.data", "zooter_ray.stages.engines.vllm"} <= OURS["zooter_ray"].keys()
    assert "zooter_ray.pipeline" in imports("zooter_ray.cli.demo")  # an import inside a function
    assert "zooter_ray.stages.training" in imports("zooter_ray.pipeline")  # a module out of its package
    assert "ray" in imports("zooter_ray.cluster")


@pytest.mark.parametrize("module", OURS["zooter_ray"])
def test_every_module_has_a_layer(module: str) -> None:
    assert part(module) in MAY_IMPORT, f"{module} is in no row of the table of layers"


@pytest.mark.parametrize("module", OURS["zooter_ray"])
def test_a_module_imports_what_its_layer_may_import(module: str) -> None:
    allowed = MAY_IMPORT[part(module)] | own_ground(module)
    if inside(module, SHARED_BY_STAGES):
        allowed = LIBRARY | own_ground(module) | {"stages.placement"}
    of_ours = {name for name in imports(module) if name.split(".")[0] == "zooter_ray"}
    assert [name for name in sorted(of_ours) if not inside(name, allowed)] == []


@pytest.mark.parametrize("module", OURS["zooter_ray"])
def test_a_module_imports_no_machinery_that_its_layer_must_not_know(module: str) -> None:
    assert {name.split(".")[0] for name in imports(module)} & NEVER.get(part(module), set()) == set()


@pytest.mark.parametrize("module", EVERY_MODULE)
def test_nothing_imports_tests_or_jobs_and_only_the_command_line_imports_the_application(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(module)}
    assert "tests" not in tops
    assert "jobs" not in tops
    if part(module) != "cli" and not module.startswith("serve_app"):
        assert "serve_app" not in tops


@pytest.mark.parametrize("module", OURS["jobs"])
def test_jobs_and_the_command_line_do_not_know_each_other(module: str) -> None:
    of_ours = {name for name in imports(module) if name.split(".")[0] == "zooter_ray"}
    assert [name for name in sorted(of_ours) if not inside(name, JOBS_MAY_IMPORT)] == []


@pytest.mark.parametrize("module", OURS["serve_app"] or ["serve_app"])
def test_the_application_imports_no_stage_and_no_entry_point(module: str) -> None:
    if module not in OURS["serve_app"]:
        pytest.skip("there is no serve_app")
    of_ours = {name for name in imports(module) if name.split(".")[0] == "zooter_ray"}
    assert [name for name in sorted(of_ours) if not inside(name, SERVE_APP_MAY_IMPORT)] == []


IMPORT_FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("zooter_ray")]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""


def test_every_module_of_the_contracts_can_be_imported_first() -> None:
    # A worker of Ray imports whatever it is sent, in any order, so a circle of imports fails there and nowhere else.
    names = [module for module in OURS["zooter_ray"] if inside(module, CONTRACTS)]
    run = subprocess.run([sys.executable, "-c", IMPORT_FIRST, *names], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("stage", ["queries", "generation", "scoring", "labeling", "benchmarks"])
def test_tasks_that_run_no_model_do_not_wait_for_torch(stage: str) -> None:
    # Whichever function of a stage a worker is sent, it imports the stage, and each of many workers does.
    code = f"import sys, zooter_ray.stages.{stage}; print({{'torch', 'transformers', 'vllm'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


# No work while a module is imported

WORK = {
    *("init", "start", "connect", "run", "Popen", "system", "main", "basicConfig"),
    *("mkdir", "makedirs", "open", "touch", "write_text", "write_bytes", "read_text", "read_bytes", "unlink"),
    *("putenv", "unsetenv", "setenv", "from_pretrained", "manual_seed", "set_num_threads"),
    *("Client", "AsyncClient", "OpenAI", "AsyncOpenAI", "Console", "Progress"),
}


def executed_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not the bodies of functions, nor what a script does when run."""
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        children: list[ast.AST] = [*node.decorator_list, *defaults]
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from executed_at_import(child)


def work_at_import(source: str) -> list[str]:
    """What a module does while it is imported, and should not."""
    found = []
    for node in executed_at_import(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[-1] in WORK or "environ" in called.split(".")[:-1]:
                found.append(called)
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        targets = [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else targets
        found += [text for text in map(ast.unparse, targets) if "environ" in text]
    return found


@pytest.mark.parametrize("module", EVERY_MODULE)
def test_a_module_does_no_work_while_it_is_imported(module: str) -> None:
    assert work_at_import(EVERY_MODULE[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import ray\nray.init()", ["ray.init"]),
        ("os.environ['A'] = '1'", ["os.environ['A']"]),
        ("os.environ.setdefault('A', '1')", ["os.environ.setdefault"]),
        ("if True:\n    Path('x').mkdir()", ["Path('x').mkdir"]),
        ("class A:\n    client = httpx.Client()", ["httpx.Client"]),
        ("def f(file=open('x')):\n    pass", ["open"]),
        ("def f():\n    ray.init()", []),
        ("f = lambda: ray.init()", []),
        ("if __name__ == '__main__':\n    main()", []),
        ("import re\nA = re.compile('a')", []),
    ],
)
def test_work_is_told_from_definitions(source: str, found: list[str]) -> None:
    assert work_at_import(source) == found


@pytest.mark.parametrize("module", EVERY_MODULE)
def test_no_file_has_a_name_that_says_nothing(module: str) -> None:
    assert not {"util", "utils", "common", "helper", "helpers", "misc"} & set(module.split("."))
