import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keep every place on this machine inside tmp_path, and do not wait between two attempts."""
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MI204_MIRROR", raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return tmp_path / "cache"
