"""The cache of Apache Kafka's jars: only a complete one is used, and its absence is told in one line."""

from pathlib import Path

import pytest
from fixtures import apache_kafka
from fixtures.apache_kafka import KAFKA_VERSION, KafkaAbsentError

MAVEN = """#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) out=${argument#*=} ;; esac; done
mkdir -p "$out" && echo jar >"$out/a.jar" && echo more >"$out/b.jar"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that fetches two files, alone on the PATH with the system's own."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(MAVEN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return program


def test_fetched_once_and_again_when_a_file_is_cut(maven: Path) -> None:
    jars = apache_kafka._jars()
    assert {file.name for file in jars.glob("*.jar")} == {"a.jar", "b.jar"}
    maven.write_text("#!/bin/sh\nexit 1\n")
    assert apache_kafka._jars() == jars
    (jars / "b.jar").write_text("mo")
    with pytest.raises(KafkaAbsentError, match="Maven can't fetch"):
        apache_kafka._jars()
    maven.write_text(MAVEN)
    assert apache_kafka._jars() == jars
    assert (jars / "b.jar").read_text() == "more\n"
    assert [path.name for path in jars.parent.iterdir()] == [f"kafka-{KAFKA_VERSION}"]


def test_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(KafkaAbsentError, match="needs mvn, which is not installed"):
        apache_kafka._jars()


def test_a_java_that_is_too_old(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("""#!/bin/sh\necho 'openjdk version "11.0.2" 2019-01-15' >&2\n""")
    java.chmod(0o755)
    with pytest.raises(KafkaAbsentError, match=r"needs java >= 17"):
        apache_kafka._java_version(str(java))
