import socket
from pathlib import Path

import pytest

from scripts import dev


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_refused(port, capsys):
    assert dev.main([f"--port={port}"]) == 2
    assert str(port) in capsys.readouterr().err


def test_a_port_that_is_taken_is_refused_before_anything_is_made(taken_port, capsys, isolated_environment):
    assert dev.main(["--port", str(taken_port)]) == 2
    assert f"Port {taken_port} on 127.0.0.1 cannot be used" in capsys.readouterr().err
    assert not isolated_environment.exists()


def test_any_free_port_is_free():
    assert dev.is_free(dev.any_free_port())


def test_the_introduction_names_the_address_the_homes_and_the_command_that_starts_sensors():
    text = dev.introduction(3210, Path("/history"), Path("/data"))
    assert "http://127.0.0.1:3210" in text
    assert "/data\n" in text
    assert "DAGSTER_HOME=/history " in text
    assert "sensor start --start-all" in text
