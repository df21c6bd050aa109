# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: who wins, all faults at once, XDG's rules."""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross import config
from debxcross.config import Configuration, Limits, home_file, load
from debxcross.errors import ConfigurationError

HOME = {"HOME": "/home/person"}


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_defaults() -> None:
    assert load(HOME, ()) == Configuration(
        Path("/home/person/.cache/debxcross"), Path("/home/person/.local/share/debxcross"))


def test_the_files_are_the_documented_ones() -> None:
    assert config.SYSTEM_FILE == Path("/etc/debxcross.toml") and config.PROJECT_FILE == Path("debxcross.toml")


def test_precedence(tmp_path: Path) -> None:
    system = write(tmp_path, "system.toml", (
        'store = "/system"\nkeys = "/system-keys"\nmaintainer = "S <s@s>"\n'
        '[repository]\norigin = "system"\nlabel = "system"\n'))
    project = write(tmp_path, "project.toml", 'store = "/project"\n[repository]\norigin = "project"\n')
    both = (system, project)
    assert load(HOME, (system,)).store == Path("/system")
    merged = load(HOME, both)
    assert (merged.store, merged.keys, merged.maintainer) == (
        Path("/project"), Path("/system-keys"), "S <s@s>")
    assert (merged.repository_origin, merged.repository_label) == ("project", "system")
    environment = {**HOME, "DEBXCROSS_STORE": "/environment"}
    assert load(environment, both).store == Path("/environment")
    assert load(environment, both, store=Path("/flag")).store == Path("/flag")
    assert load({**HOME, "DEBXCROSS_STORE": ""}, both).store == Path("/project")


def test_every_setting_has_a_key(tmp_path: Path) -> None:
    path = write(tmp_path, "all.toml", (
        'store = "s"\nkeys = "k"\nmaintainer = "m"\nindex-max-age = 0\n'
        '[mirrors]\nmain = ["http://a.example", "http://b.example"]\nsecurity = []\nkeyrings = ["/k.gpg"]\n'
        'suites = { trixie = "stable" }\ncheck-valid-until = false\n'
        '[index]\nurl = "http://index.example/simple"\n[patches]\ndirectories = ["more", "/abs"]\n'
        '[repository]\norigin = "o"\nlabel = "l"\nurl = "http://r.example"\n'))
    # Paths are relative to the file that names them.
    assert load(HOME, (path,)) == Configuration(
        store=tmp_path / "s", keys=tmp_path / "k", maintainer="m", index_max_age=0,
        mirrors_main=("http://a.example", "http://b.example"), mirrors_security=(), keyrings=("/k.gpg",),
        mirrors_suites=(("trixie", "stable"),), check_valid_until=False,
        index_url="http://index.example/simple", patches=(tmp_path / "more", Path("/abs")),
        repository_origin="o", repository_label="l", repository_url="http://r.example")


def test_all_faults_of_all_files_at_once(tmp_path: Path) -> None:
    one = write(tmp_path, "one.toml", 'stoer = "/x"\nindex-max-age = -1\nkeys = 3\nmirrors = "http://a"\n')
    two = write(tmp_path, "two.toml", '[mirrors]\nmain = "http://a"\n[index]\nurl = ["a"]\nurll = ""\n'
                '[patches]\ndirectories = [1]\n')
    three = write(tmp_path, "three.toml", "store = \n")
    with pytest.raises(ConfigurationError) as caught:
        load(HOME, (one, two, three, tmp_path / "absent.toml"))
    said = caught.value.details.splitlines()
    assert said[:-1] == [
        f"{one}: stoer: unknown setting; did you mean store?",
        f"{one}: index-max-age: must be a whole number, 0 or more, not -1",
        f"{one}: keys: must be a path (a string), not 3",
        f"{one}: mirrors: must be a table: [mirrors]",
        f"{two}: mirrors.main: must be a list of strings, not 'http://a'",
        f"{two}: index.url: must be a string, not ['a']",
        f"{two}: index.urll: unknown setting; did you mean index.url?",
        f"{two}: patches.directories: must be a list of paths (strings), not [1]",
    ]
    assert said[-1].startswith(f"{three}: Invalid value")
    assert caught.value.brief == "the configuration has 9 faults"


def test_true_is_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="1 fault$"):
        load(HOME, (write(tmp_path, "x.toml", "index-max-age = true\n"),))


@pytest.mark.parametrize(("environment", "store", "keys"), [
    ({"XDG_CACHE_HOME": "/c", "XDG_DATA_HOME": "/d"}, "/c/debxcross", "/d/debxcross"),
    ({"XDG_CACHE_HOME": "relative", "XDG_DATA_HOME": ""},
     "/home/person/.cache/debxcross", "/home/person/.local/share/debxcross"),
    ({"DEBXCROSS_STORE": "/s", "DEBXCROSS_KEYS": "/k", "XDG_CACHE_HOME": "/c"}, "/s", "/k"),
])
def test_directories(environment: dict[str, str], store: str, keys: str) -> None:
    found = load({**HOME, **environment}, ())
    assert (str(found.store), str(found.keys)) == (store, keys)


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "debxcross.toml", 'store = "here"\n')
    assert load(HOME, (config.PROJECT_FILE,)).store == tmp_path / "here"
    assert load(HOME, (), store=Path("x")).store == tmp_path / "x"


def test_limits_have_defaults_and_can_be_set(tmp_path: Path) -> None:
    file = tmp_path / "debxcross.toml"
    file.write_text("[limits]\nmemory = 12000\nlog-size = 7\n")
    limits = load({}, (file,)).limits
    assert (limits.memory, limits.log_size, limits.processes) == (12000, 7, Limits().processes)
    file.write_text("[limits]\nmemory = \"much\"\nopen-file = 3\n")
    with pytest.raises(ConfigurationError) as raised:
        load({}, (file,))
    assert "limits.memory: must be a whole number" in raised.value.details
    assert "did you mean limits.open-files?" in raised.value.details


def test_a_users_own_file_stands_between_the_systems_and_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    (home / ".config").mkdir(parents=True)
    project.mkdir()
    monkeypatch.chdir(project)
    write(home / ".config", "debxcross.toml", 'store = "mine"\nmaintainer = "Me <me@example.org>"\n')
    write(project, "debxcross.toml", 'store = "/project"\n')
    found = load({"HOME": str(home)})
    assert (found.store, found.maintainer) == (Path("/project"), "Me <me@example.org>")
    (project / "debxcross.toml").unlink()
    # A relative path is below the directory of the file.
    assert load({"HOME": str(home)}).store == home / ".config/mine"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere, "debxcross.toml", 'store = "/elsewhere"\n')
    assert load({"HOME": str(home), "XDG_CONFIG_HOME": str(elsewhere)}).store == Path("/elsewhere")
    assert home_file({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == Path("/h/.config/debxcross.toml")
