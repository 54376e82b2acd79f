"""`git_history`: the commits, tags or files of a repository on this machine.

Not here: how git is called (`git_command`).
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.git_command import Repository
from assets.discovery.strategies.marking import marks_every
from assets.discovery.strategies.params import GitHistoryParams
from assets.failures import PermanentFailure

_COMMIT_FORMAT: Final = "%x00".join(("%H", "%P", "%an", "%ae", "%aI", "%cI", "%ct", "%s", "%b"))
_TAG_FORMAT: Final = "%00".join(
    ("%(refname:strip=2)", "%(objectname)", "%(creatordate:unix)", "%(subject)", "")
)


class GitHistory(BaseDiscovery):
    """What a ref of a repository shows: its commits, oldest first, or its files; or all tags.

    The cursor of commits is `{sha}`: everything that it reaches has been read. When the ref no longer
    reaches it, history was rewritten: that is told as `source_rewritten`, and all commits are read again.
    Tags and files are complete listings; a tag changes with what it leads to, a file with its content.
    """

    name: ClassVar[str] = "git_history"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield what is there.

        Raises:
            PermanentFailure: there is no repository or no such ref, or git fails.
        """
        params = GitHistoryParams.model_validate(ask.params)
        repository = Repository(params.repo)
        match params.mode:
            case "commits":
                yield from _commits(ask, repository, params)
            case "tags":
                yield from _tags(ask, repository)
            case "files":
                yield from _files(ask, repository, params)


def _commits(ask: Ask, repository: Repository, params: GitHistoryParams) -> Iterator[Candidate | Mark]:
    tip = _tip(repository, params.ref)
    old = (ask.cursor or {}).get("sha")
    if tip is None or tip == old:
        yield Mark(ask.cursor, ask.validators)
        return
    if old is not None and not repository.reaches(tip, old):
        ask.warn(
            f"{params.ref} of {params.repo} no longer reaches {old}: its history was rewritten, "
            "and all of it is read again.",
            event="source_rewritten",
        )
        old = None
    wanted = tip if old is None else f"{old}..{tip}"
    # Parents before their children, so that what a commit reaches was yielded before it.
    command = (
        "log",
        "-z",
        "--topo-order",
        "--reverse",
        f"--format={_COMMIT_FORMAT}",
        wanted,
        "--",
        *params.paths,
    )
    for number, fields in enumerate(repository.records(*command, width=9), start=1):
        yield _commit(fields)
        if number % marks_every(ask) == 0:
            yield Mark({"sha": fields[0]}, page=1)
    yield Mark({"sha": tip}, page=1)


def _commit(fields: tuple[str, ...]) -> Candidate:
    sha, parents, author, email, authored, committed, committed_s, subject, body = fields
    data = {
        "sha": sha,
        "parents": parents.split(),
        "author": author,
        "email": email,
        "authored": authored,
        "committed": committed,
        "subject": subject,
        "body": body.strip(),
    }
    return Candidate(sha, data, title=subject, published_at=int(committed_s) * 1000, content_hash=sha)


def _tags(ask: Ask, repository: Repository) -> Iterator[Candidate | Mark]:
    command = ("for-each-ref", f"--format={_TAG_FORMAT}", "refs/tags")
    # Git ends each line of this listing with a line feed, which so begins the next name.
    tags = [(name.lstrip("\n"), *rest) for name, *rest in repository.records(*command, width=4)]
    peeled = repository.peeled([sha for _, sha, *_ in tags])
    for (name, _, created_s, subject), (sha, type_) in zip(tags, peeled, strict=True):
        data = {"tag": name, "sha": sha, "type": type_, "subject": subject}
        published_at = int(created_s) * 1000 if created_s else None
        yield Candidate(name, data, title=name, published_at=published_at, content_hash=sha)
    yield Mark(page=1, complete=True)


def _files(ask: Ask, repository: Repository, params: GitHistoryParams) -> Iterator[Candidate | Mark]:
    if (tip := _tip(repository, params.ref)) is not None:
        # Compared with nothing, for unlike ls-tree that takes every kind of path pattern.
        command = ("diff-tree", "-r", "-z", "--no-renames", repository.empty_tree(), tip, "--", *params.paths)
        for change, path in repository.records(*command, width=2):
            _, mode, _, blob, _ = change.split(" ")
            if mode == "160000":
                continue  # A submodule: a commit of another repository.
            if "\ufffd" in path:
                ask.reject(path, "its name is no UTF-8; rename it")
                continue
            data = {"path": path, "blob": blob, "mode": mode}
            yield Candidate(path, data, title=path.rpartition("/")[2], content_hash=blob)
    yield Mark(page=1, complete=True)


def _tip(repository: Repository, ref: str) -> str | None:
    """The commit that a ref leads to; `None` for the HEAD of a repository that has no commit yet.

    Raises:
        PermanentFailure: there is no such ref.
    """
    if (sha := repository.commit(ref)) is not None:
        return sha
    if ref == "HEAD" and not repository.has_commits():
        return None
    raise PermanentFailure(f"{repository.path} has no commit {ref}; correct ref in the job.")
