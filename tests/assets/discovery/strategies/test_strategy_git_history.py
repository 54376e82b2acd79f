"""Commits, tags and files of real repositories, built in the test's folder."""

import os
import subprocess
from pathlib import Path

import pytest

from assets.discovery.strategies.git_history import GitHistory
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing

AUTHOR = {
    "GIT_AUTHOR_NAME": "Zoë",
    "GIT_AUTHOR_EMAIL": "zoe@example.com",
    "GIT_COMMITTER_NAME": "Zoë",
    "GIT_COMMITTER_EMAIL": "zoe@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repo:
    """A repository and what is done to it. Every commit is a minute after the one before."""

    def __init__(self, path: Path) -> None:
        self.path, self._minutes = path, 0
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *command: str) -> str:
        date = f"2026-03-01T09:{self._minutes:02}:00+01:00"
        environment = os.environ | AUTHOR | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        ran = subprocess.run(
            ["git", "-C", str(self.path), *command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    def commit(self, name: str, content: str = "x", message: str = "") -> str:
        self._minutes += 1
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message or f"add {name}")
        return self.git("rev-parse", "HEAD")

    def source(self, **params: object) -> Source:
        return Source(GitHistory(), {"repo": str(self.path)} | params)


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "repo")


def test_commits_come_oldest_first_and_later_ones_from_the_cursor(repo):
    first = repo.commit("a.txt", message="Première\n\nbody\nof two lines")
    second = repo.commit("b.txt")
    source = repo.source()
    read = source.read()
    assert read.keys == [first, second]
    assert read.candidates[0].title == "Première"
    assert read.candidates[0].published_at == 1_772_352_060_000  # 2026-03-01T09:01:00+01:00
    assert read.data[0] == {
        "sha": first,
        "parents": [],
        "author": "Zoë",
        "email": "zoe@example.com",
        "authored": "2026-03-01T09:01:00+01:00",
        "committed": "2026-03-01T09:01:00+01:00",
        "subject": "Première",
        "body": "body\nof two lines",
    }
    assert read.data[1]["parents"] == [first]
    assert source.cursor == {"sha": second}
    assert not read.is_complete
    assert_a_second_read_changes_nothing(source)
    third = repo.commit("c.txt")
    assert source.read().keys == [third]


def merged(repo: Repo) -> list[str]:
    commits = [repo.commit("a.txt")]
    repo.git("checkout", "-q", "-b", "side")
    commits += [repo.commit("side1.txt"), repo.commit("side2.txt")]
    repo.git("checkout", "-q", "main")
    commits += [repo.commit("main1.txt"), repo.commit("main2.txt")]
    repo.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    return [*commits, repo.git("rev-parse", "HEAD")]


@pytest.mark.parametrize("crash_after", range(6))
@pytest.mark.parametrize("limit", [None, 100])
def test_a_crash_among_branches_repeats_and_never_skips(repo, crash_after, limit):
    commits = merged(repo)
    source = repo.source()
    source.read(crash_after=crash_after, limit=limit)
    source.read()
    assert set(source.known) == set(commits)
    assert_a_second_read_changes_nothing(source)


def test_a_limit_reads_all_commits_of_branches_in_the_end(repo):
    commits = merged(repo)
    source = repo.source()
    for _ in commits:
        assert len(source.read(limit=1).new) == 1
    assert set(source.known) == set(commits)


def test_paths_choose_commits_and_the_cursor_moves_with_the_others_too(repo):
    first = repo.commit("docs/a.md")
    repo.commit("src/b.py")
    source = repo.source(paths=["docs"])
    assert source.read().keys == [first]
    assert_a_second_read_changes_nothing(source)
    tip = repo.commit("src/c.py")
    assert source.read().keys == []
    assert source.cursor == {"sha": tip}


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_rewritten_history_is_told_and_read_from_the_beginning(repo, is_pruned):
    first = repo.commit("a.txt")
    old = repo.commit("b.txt")
    source = repo.source()
    source.read()
    repo.git("reset", "-q", "--hard", first)
    new = repo.commit("c.txt")
    if is_pruned:
        repo.git("reflog", "expire", "--expire=now", "--all")
        repo.git("gc", "-q", "--prune=now")
    read = source.read()
    assert read.keys == [first, new]
    ((event, text),) = read.warnings
    assert event == "source_rewritten"
    assert old in text
    again = source.read()
    assert (again.keys, again.warnings) == ([], [])


def test_tags_are_a_complete_listing_and_change_with_the_commit_they_lead_to(repo):
    first = repo.commit("a.txt")
    repo.git("tag", "light")
    repo.git("tag", "-a", "noted", "-m", "Release notes")
    repo.git("tag", "-a", "nested", "noted", "-m", "a tag of a tag")
    second = repo.commit("b.txt")
    source = repo.source(mode="tags")
    read = source.read()
    assert read.keys == ["light", "nested", "noted"]
    assert {candidate.content_hash for candidate in read.candidates} == {first}
    assert read.data[2] == {"tag": "noted", "sha": first, "type": "commit", "subject": "Release notes"}
    assert read.is_complete
    repo.git("tag", "-f", "light", second)
    repo.git("tag", "-f", "-a", "noted", "-m", "again", f"{first}")
    changed = {c.key: c.content_hash for c in source.read().candidates}
    assert changed == {"light": second, "nested": first, "noted": first}


def test_files_are_a_complete_listing_and_change_with_their_content(repo):
    repo.commit("a b.txt")
    repo.commit("docs/é.md", "one")
    source = repo.source(mode="files")
    read = source.read()
    assert (read.keys, read.is_complete) == (["a b.txt", "docs/é.md"], True)
    before = read.candidates[1].content_hash
    repo.commit("docs/é.md", "two")
    after = source.read().candidates
    assert after[1].content_hash != before
    assert after[1].content_hash == repo.git("rev-parse", "HEAD:docs/é.md")
    assert repo.source(mode="files", paths=["*.md"]).read().keys == ["docs/é.md"]
    assert repo.source(mode="files", ref="HEAD~2").read().keys == ["a b.txt"]


@pytest.mark.parametrize("mode", ["commits", "tags", "files"])
def test_a_repository_without_commits_has_nothing(repo, mode):
    assert repo.source(mode=mode).read().keys == []


def test_a_wrong_ref_and_a_folder_that_is_no_repository_fail_by_name(repo, tmp_path):
    repo.commit("a.txt")
    with pytest.raises(PermanentFailure, match="nowhere"):
        repo.source(ref="nowhere").read()
    # A folder within a repository is not that repository.
    inner = repo.path / "inner"
    inner.mkdir()
    for folder in (inner, tmp_path / "none"):
        with pytest.raises(PermanentFailure, match=folder.name):
            Source(GitHistory(), {"repo": str(folder)}).read()


def test_a_bare_repository_and_the_variables_of_a_git_hook_do_no_harm(repo, tmp_path, monkeypatch):
    sha = repo.commit("a.txt")
    bare = tmp_path / "bare.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(bare))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert Source(GitHistory(), {"repo": str(bare)}).read().keys == [sha]


def test_reading_can_stop_anywhere_and_leaves_no_process_behind(repo):
    for number in range(20):
        repo.commit(f"{number}.txt")
    source = repo.source()
    assert len(source.read(limit=3).new) == 3
    assert len(source.read(limit=3).new) == 3
