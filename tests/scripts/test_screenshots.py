import io
import random

import pytest
from PIL import Image

from scripts import screenshots
from scripts.ui_session import UIFailed, wait_until


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setattr(screenshots, "IMAGES", tmp_path / "images")
    return tmp_path / "images"


def png(width: int, height: int, colours: int) -> bytes:
    """Noise of a number of colours."""
    draws = random.Random(0)
    image = Image.new("RGB", (width, height))
    palette = [tuple(draws.randrange(256) for _ in range(3)) for _ in range(colours)]
    image.putdata([draws.choice(palette) for _ in range(width * height)])
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def test_an_unknown_picture_is_refused_and_the_known_ones_are_named(capsys):
    with pytest.raises(SystemExit) as exit_:
        screenshots.main(["--only", "nothing"])
    assert exit_.value.code == 2
    assert "failed_check" in capsys.readouterr().err


def test_without_a_browser_nothing_is_started_and_the_command_that_installs_one_is_told(
    monkeypatch, tmp_path, capsys, images
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert screenshots.main([]) == 1
    assert "apt-get install chromium" in capsys.readouterr().err
    assert not images.exists()


def test_a_picture_is_written_with_a_palette(images):
    images.mkdir()
    screenshots.save("page", png(200, 100, 500))
    with Image.open(images / "page.png") as written:
        assert (written.mode, written.size) == ("P", (200, 100))


def test_a_picture_that_is_too_large_is_refused(images):
    images.mkdir()
    with pytest.raises(UIFailed, match=r"page\.png has .* bytes, more than 150,000"):
        screenshots.save("page", png(800, 400, 500))
    assert list(images.iterdir()) == []


def test_what_never_comes_is_told_with_the_last_answer():
    with pytest.raises(UIFailed, match=r"The train did not come in 0 s; the last answer was None"):
        wait_until(lambda: None, "The train", 0)
