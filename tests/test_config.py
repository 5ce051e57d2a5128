"""Settings: precedence, types, and the messages for wrong ones."""

import json
import os
from pathlib import Path

import pytest

from terrafair.config import check_owner, load
from terrafair.errors import InvalidInput, Refused


def test_defaults_need_nothing(tmp_path: Path) -> None:
    config = load({"TERRAFAIR_HOME": str(tmp_path)})
    assert config.home == tmp_path
    assert config.database_url == f"sqlite:///{tmp_path}/platform.db"
    assert config.port == 8080


def test_environment_wins_over_file(tmp_path: Path) -> None:
    (tmp_path / "terrafair.toml").write_text(
        'port = 9000\nworkers = 4\ndata_roots = ["/data"]\n[substitutes]\n"image:1" = "platform"\n'
    )
    config = load({"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_PORT": "9001", "TERRAFAIR_DEMO": "no"})
    assert (config.port, config.workers, config.demo) == (9001, 4, False)
    assert config.data_roots == (Path("/data"),)
    assert config.substitutes == {"image:1": "platform"}


def test_lists_and_mappings_from_the_environment(tmp_path: Path) -> None:
    config = load(
        {
            "TERRAFAIR_HOME": str(tmp_path),
            "TERRAFAIR_DATA_ROOTS": "/a:/b",
            "TERRAFAIR_SUBSTITUTES": "docker.io/x/y:1=platform,z=/env",
        }
    )
    assert config.data_roots == (Path("/a"), Path("/b"))
    assert config.substitutes == {"docker.io/x/y:1": "platform", "z": "/env"}


@pytest.mark.parametrize("text", ["a=1, b=x=y,", '{"a": "1", "b": "x=y"}'])
def test_a_table_is_given_in_two_ways(tmp_path: Path, text: str) -> None:
    config = load({"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_TARGETS": text})
    assert config.targets == {"a": "1", "b": "x=y"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TERRAFAIR_PORT", "eighty", "port"),
        ("TERRAFAIR_DEMO", "perhaps", "demo"),
        ("TERRAFAIR_TARGETS", "https://elsewhere.example", "targets"),
        ("TERRAFAIR_TARGETS", '{"there": 1}', "targets"),
        ("TERRAFAIR_TARGETS", '{"there": ', "targets"),
        ("TERRAFAIR_ISOLATION", "maybe", "auto, require, none"),
        ("TERRAFAIR_CONFIG", "/nowhere/terrafair.toml", "does not exist"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        load({"TERRAFAIR_HOME": str(tmp_path), name: value})


@pytest.mark.parametrize(("text", "says"), [("prot = 1", "prot"), ("port = [", "does not parse")])
def test_a_wrong_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "terrafair.toml").write_text(text)
    with pytest.raises(InvalidInput, match=says):
        load({"TERRAFAIR_HOME": str(tmp_path)})


def test_a_secret_is_read_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret value\n")
    (tmp_path / "terrafair.toml").write_text('store_secret = "of the file"')
    config = load({"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_STORE_SECRET_FILE": str(tmp_path / "secret")})
    assert config.store_secret == "s3cret value"


def test_settings_that_are_files_themselves_are_not_read_as_secrets(tmp_path: Path) -> None:
    config = load({"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_REGISTRY_PASSWORD_FILE": str(tmp_path / "later")})
    assert config.registry_password_file == tmp_path / "later"


def test_a_secret_given_twice_or_nowhere_is_told(tmp_path: Path) -> None:
    surroundings = {"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_STORE_SECRET_FILE": str(tmp_path / "gone")}
    with pytest.raises(InvalidInput, match="TERRAFAIR_STORE_SECRET_FILE cannot be read"):
        load(surroundings)
    with pytest.raises(InvalidInput, match="both set"):
        load({**surroundings, "TERRAFAIR_STORE_SECRET": "x"})


def test_the_dask_scheduler_reaches_the_openeo_engine(tmp_path: Path) -> None:
    from terrafair.app import Parts
    from terrafair.workflows.workflow import WorkflowType

    config = load({"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_DASK_SCHEDULER": "tcp://scheduler:8786"})
    engine = Parts(config).engines[WorkflowType.OPENEO]
    assert engine._clusters.access().address == "tcp://scheduler:8786"  # type: ignore[attr-defined]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root comes into other people's folders")
def test_root_does_not_work_in_anothers_home(tmp_path: Path) -> None:
    check_owner(tmp_path)
    check_owner(tmp_path / "none")
    for user, name in ((65534, "nobody"), (54_321, "#54321")):
        os.chown(tmp_path, user, -1)
        with pytest.raises(Refused, match=f"belongs to {name}.*runuser -u {name}"):
            check_owner(tmp_path)


def test_whole_numbers_in_tables_may_have_a_point(tmp_path: Path) -> None:
    """As Helm writes them: a program that wants the id of a user takes no 10001.0."""
    text = (
        "workspace_hours = 8.0\n[workspace_options.KubeSpawner]\nuid = 10001.0\nshare = 0.5\nids = [1.0, {a = 2.0}]\n"
    )
    (tmp_path / "terrafair.toml").write_text(text)
    config = load({"TERRAFAIR_HOME": str(tmp_path)})
    found = json.dumps([config.workspace_hours, config.workspace_options["KubeSpawner"]])
    assert found == '[8, {"uid": 10001, "share": 0.5, "ids": [1, {"a": 2}]}]'


def test_the_batch_system_reaches_the_cwl_engine(tmp_path: Path) -> None:
    from terrafair.app import Parts
    from terrafair.workflows.workflow import WorkflowType

    surroundings = {"TERRAFAIR_HOME": str(tmp_path), "TERRAFAIR_CWL_RUNNER": "toil"}
    surroundings |= {"TERRAFAIR_CWL_BATCH_SYSTEM": "slurm", "TERRAFAIR_CWL_OPTIONS": '{"partition": "eo"}'}
    batch = Parts(load(surroundings)).engines[WorkflowType.CWL]._batch  # type: ignore[attr-defined]
    assert (batch.system, batch.isolated, batch.arguments) == ("slurm", True, ("--slurmPartition=eo",))
    with pytest.raises(InvalidInput, match="slrum"):
        Parts(load({**surroundings, "TERRAFAIR_CWL_BATCH_SYSTEM": "slrum"})).engines  # noqa: B018 - it raises
