"""The jobs file: what it may say, and that every mistake in it is told at once, with its place."""

import re
from pathlib import Path

import pytest

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.jobs_file import SHIPPED, jobs_path, load_jobs, parse_jobs

HEAD = "version: 1\nlimiters: {sec.gov: [{rate: 10, per_s: 1}]}\njobs:\n"


def job(name="one", **lines):
    """One job that is right, but for the lines that are given: `key=text` replaces or adds a key."""
    keys = {"discovery": "{strategy: static_list, params: {values: [a]}}", "handler": "fetch"} | lines
    body = "".join(f"    {key}: {text}\n" for key, text in keys.items() if text is not None)
    return f"  - name: {name}\n{body}"


def parse(*jobs, head=HEAD):
    return parse_jobs(head + "".join(jobs), Path("jobs.yaml"))


def mistakes(*jobs, head=HEAD):
    with pytest.raises(ConfigurationError) as caught:
        parse(*jobs, head=head)
    return caught.value.sentences


def test_the_shipped_file_has_the_seven_jobs_with_their_stages():
    chains = {job.name: [stage.name for stage in job.chain] for job in load_jobs(SHIPPED).jobs}
    assert chains == {
        "dumb_money_live": ["fetch", "transcript", "tickers", "score"],
        "package_releases": ["fetch"],
        "filings": ["fetch", "extract"],
        "papers": ["extract"],
        "site_pages": ["fetch", "extract", "score"],
        "inbox": ["extract", "score"],
        "calendar_backfill": ["report"],
    }


ONE_MISTAKE = {
    "an unknown key of a job": (
        job(timezon="UTC"),
        "line 7: jobs.one.timezon: unknown key 'timezon'; the nearest valid key is 'timezone'",
    ),
    "outputs": (job(outputs="[x]"), "jobs.one.outputs: unknown key 'outputs'"),
    "an unknown key of a discovery": (
        job(discovery="{strategy: static_list, params: {values: [a]}, every: 3}"),
        "jobs.one.discovery.every: unknown key 'every'; the nearest valid key is 'every_s'",
    ),
    "an unknown parameter": (
        job(discovery="{strategy: rss_atom, params: {url: 'http://a.example', robot: false}}"),
        "jobs.one.discovery.params.robot: unknown key 'robot'; the nearest valid key is 'robots'",
    ),
    "an unknown key deep in a parameter": (
        job(
            discovery="{strategy: json_api, params: "
            "{url: 'http://a.example', items: x, key: id, paging: {mod: link}}}"
        ),
        "jobs.one.discovery.params.paging.mod: unknown key 'mod'; the nearest valid key is 'mode'",
    ),
    "an unknown key of a stage": (
        job(handler=None, stages="[{name: a, handler: fetch, retry: {max: 3}}]"),
        "jobs.one.stages.a.retry.max: unknown key 'max'; the nearest valid key is 'max_attempts'",
    ),
    "an unknown key that is null": (job(ower="null"), "unknown key 'ower'; the nearest valid key is 'owner'"),
    "a parameter that is missing": (
        job(discovery="{strategy: rss_atom}"),
        "jobs.one.discovery.params.url: it is required",
    ),
    "an unknown strategy": (
        job(discovery="{strategy: rss_atm, params: {anything: 1}}"),
        "jobs.one.discovery.strategy: 'rss_atm': unknown strategy 'rss_atm'; the nearest is 'rss_atom'",
    ),
    "an unknown limiter": (
        job(pace="{limiter: sec.gv}"),
        "jobs.one.pace.limiter: 'sec.gv': unknown limiter 'sec.gv'; the nearest is 'sec.gov'",
    ),
    "an unknown time zone": (
        job(timezone="America/NewYork"),
        "jobs.one.timezone: 'America/NewYork': it is no time zone; the nearest is 'America/New_York'",
    ),
    "two stages of one name": (
        job(handler=None, stages="[{name: a, handler: x}, {name: a, handler: y}]"),
        "there is another stage named 'a'",
    ),
    "an unknown need": (
        job(handler=None, stages="[{name: fetch, handler: x}, {name: b, handler: y, needs: [fetsh]}]"),
        "jobs.one.stages.b.needs.0: unknown stage 'fetsh'; the nearest is 'fetch'",
    ),
    "stages that need each other": (
        job(handler=None, stages="[{name: a, handler: x, needs: [b]}, {name: b, handler: y}]"),
        "the stages need each other in a circle: ",
    ),
    "a stage that needs itself": (
        job(handler=None, stages="[{name: a, handler: x, needs: [a]}]"),
        "the stages need each other in a circle: a → a",
    ),
    "both handler and stages": (job(stages="[{name: a, handler: x}]"), "it has both handler and stages"),
    "neither handler nor stages": (job(handler=None), "it has neither handler nor stages"),
    "no stages": (job(handler=None, stages="[]"), "it has neither handler nor stages"),
    "a stage named like a status": (
        job(handler=None, stages="[{name: done, handler: x}]"),
        "'done': a stage must not be named like a status",
    ),
    "a handler named like a status": (job(handler="my.handlers.failed"), "named like a status"),
    "a handler whose stage could not be named": (job(handler="my.Handler"), "would be named 'Handler'"),
    "a handler that is a path": (job(handler="handlers/fetch.py"), "it is no module"),
    "an amount of seven decimals": (
        job(budget='{daily_usd: "0.1234567"}'),
        "jobs.one.budget.daily_usd: '0.1234567': it has more than six decimals",
    ),
    "an amount with an exponent": (job(budget="{daily_usd: 1e3}"), "'1e3': it must be an amount in USD"),
    "a negative amount": (job(budget="{daily_usd: -1}"), "'-1': it must be an amount in USD"),
    "a name in capitals": (job(name="One"), "'One': a name has only a-z, 0-9 and _"),
    "a name of 64": (job(name="a" * 64), "at most 63 long"),
    "a short lease": (job(runner="{lease_s: 1}"), "jobs.one.runner.lease_s: '1': it must be greater than"),
    "a flag that is none": (job(enabled="maybe"), "jobs.one.enabled: 'maybe': it must be true or false"),
    "a list that is none": (job(tags="x"), "jobs.one.tags: 'x': it must be a list"),
    "an object that is none": (job(retry="3"), "it must be an object with keys of its own"),
    "a number that is none": (job(priority="high"), "jobs.one.priority: 'high': it must be a whole number"),
    "a choice that is none": (job(kind="batch"), "it must be 'pipeline' or 'backfill'"),
    "two clocks": (
        job(discovery="{strategy: static_list, params: {values: []}, every_s: 3, cron: '* * * * *'}"),
        "jobs.one.discovery: give every_s or cron, not both",
    ),
    "a cron of 61 minutes": (
        job(discovery="{strategy: static_list, params: {values: []}, cron: '61 * * * *'}"),
        "jobs.one.discovery.cron: '61 * * * *': it is no cron expression",
    ),
    "a cron of six fields": (
        job(discovery="{strategy: static_list, params: {values: []}, cron: '0 0 0 * * *'}"),
        "it must have five fields",
    ),
    "a pace of two kinds": (
        job(pace="{limiter: sec.gov, rate: 1, per_s: 1}"),
        "give limiter or a rate, not both",
    ),
    "a pace of no kind": (job(pace="{rate: 1}"), "give limiter, or rate and per_s"),
    "a weight that never fits": (job(pace="{rate: 2, per_s: 1, weight: 3}"), "raise burst"),
    "a breaker that cannot open": (job(breaker="{window: 5}"), "min_calls 10 is over window 5"),
    "a key given twice": (job(owner="a\n    owner: b"), "jobs.one.owner: the key is given twice"),
    "a secret in a wrong value": (
        job(discovery="{strategy: rss_atom, params: {url: 'ftp://a.example/?token=abc'}}"),
        "'ftp://a.example/?token=***': it must be an http, https or file URL, or a path",
    ),
}


@pytest.mark.parametrize("mistake", ONE_MISTAKE)
def test_one_mistake_is_one_sentence_with_its_place_and_remedy(mistake):
    text, sentence = ONE_MISTAKE[mistake]
    found = mistakes(text)
    assert len(found) == 1, found
    assert sentence in found[0]
    assert re.match(r"jobs\.yaml, line \d+: ", found[0])


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("jobs:\n", "version: it is required"),
        ("version: 2\njobs:\n", "version: '2': this Quintet reads version 1 of jobs files"),
        ("version: 1\nlimitrs: {}\njobs:\n", "unknown key 'limitrs'; the nearest valid key is 'limiters'"),
        (
            "version: 1\nlimiters: {a: [{rat: 1, rate: 1, per_s: 1}]}\njobs:\n",
            "limiters.a.0.rat: unknown key",
        ),
        ("version: 1\nlimiters: {a: []}\njobs:\n", "limiters.a: "),
        ("version: 1\nlimiters: {'breaker:x': [{rate: 1, per_s: 1}]}\njobs:\n", "the name of a limiter"),
        ("version: 1\nrunner: {threads: 3}\njobs:\n", "runner.threads: unknown key"),
        ("version: 1\nbudget: {monthly_usd: '3'}\njobs:\n", "nearest valid key is 'daily_usd'"),
    ],
)
def test_a_mistake_above_the_jobs_is_told_too(head, sentence):
    found = mistakes(job(), head=head)
    assert len(found) == 1, found
    assert sentence in found[0]


def test_two_jobs_of_one_name_are_a_mistake():
    assert mistakes(job(), job()) == (
        "jobs.yaml, line 7: jobs.one.name: there is another job named 'one'; names are used once",
    )


UPSTREAM = "{{strategy: upstream_results, params: {{job: {job}, stage: {stage}}}}}"


def reading(name, upstream, stage="fetch"):
    return job(name, discovery=UPSTREAM.format(job=upstream, stage=stage))


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        ([reading("a", "b"), reading("b", "a")], "jobs read each other's results in a circle"),
        ([reading("a", "a")], "in a circle (upstream_results): a → a"),
        ([reading("a", "c"), reading("b", "a"), reading("c", "b")], " → "),
        (
            [reading("a", "on"), job("one")],
            "jobs.a.discovery.params.job: unknown job 'on'; the nearest is 'one'",
        ),
        (
            [reading("a", "one", "fech"), job("one")],
            "unknown stage of job 'one' 'fech'; the nearest is 'fetch'",
        ),
    ],
)
def test_upstream_results_must_come_from_a_stage_that_is_there_and_not_in_a_circle(jobs, sentence):
    found = mistakes(*jobs)
    assert len(found) == 1, found
    assert sentence in found[0]


def test_results_may_be_read_of_any_job_before_or_after():
    assert len(parse(reading("a", "b"), reading("b", "c"), job("c")).jobs) == 3


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_the_file():
    texts = [text for text, _ in ONE_MISTAKE.values()]
    named = [
        re.sub(r"name: one$", f"name: job_{n}", text, flags=re.MULTILINE) for n, text in enumerate(texts)
    ]
    found = mistakes(*named)
    assert len(found) == len(ONE_MISTAKE)
    lines = [int(re.findall(r"line (\d+)", sentence)[0]) for sentence in found]
    assert lines == sorted(lines)


def test_mistakes_of_one_job_do_not_hide_each_other():
    stages = "[{name: a, handler: x, timeout_s: soon}, {name: a, handler: y, needs: [zz]}]"
    found = "\n".join(mistakes(job(stages=stages, timezone="Nowhere", budget='{daily_usd: "-1"}', oner="x")))
    for part in ("soon", "another stage", "zz", "both handler and stages", "Nowhere", "-1", "oner"):
        assert part in found


def test_the_error_is_one_line_for_each_mistake():
    with pytest.raises(ConfigurationError) as caught:
        parse(job(oner="x", tgs="y"))
    assert str(caught.value).splitlines() == list(caught.value.sentences)
    assert len(caught.value.sentences) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("jobs: [", "it is no YAML"),
        ("- 1\n", "the file: it must be an object with keys of its own"),
        ("", "version: it is required"),
        ("version: 1\njobs: 3\n", "jobs: '3': it must be a list"),
        ("version: 1\njobs: [3, {name: x}]\n", "jobs.0"),
    ],
)
def test_a_file_that_is_no_jobs_file_is_told_so(text, sentence):
    with pytest.raises(ConfigurationError) as caught:
        parse_jobs(text, Path("jobs.yaml"))
    assert any(sentence in line for line in caught.value.sentences), caught.value.sentences


def test_a_file_without_jobs_is_a_jobs_file():
    assert parse_jobs("version: 1\n", Path("jobs.yaml")).jobs == ()


def test_a_file_that_is_not_there_is_told_with_the_variable_that_names_another(tmp_path):
    with pytest.raises(ConfigurationError, match=r"gone\.yaml cannot be read .* QUINTET_DISCOVERY_JOBS"):
        load_jobs(tmp_path / "gone.yaml")


def test_a_file_that_is_no_utf_8_is_told_so(tmp_path):
    path = tmp_path / "jobs.yaml"
    path.write_bytes("version: 1 # é".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="is no UTF-8"):
        load_jobs(path)


def test_the_variable_names_the_file_and_blank_is_unset(tmp_path, monkeypatch):
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeff" + HEAD + job("mine"), encoding="utf-8")
    monkeypatch.setenv("QUINTET_DISCOVERY_JOBS", f" {path} ")
    assert [j.name for j in load_jobs().jobs] == ["mine"]
    assert jobs_path({"QUINTET_DISCOVERY_JOBS": " "}) == SHIPPED


def test_relative_paths_are_meant_from_the_folder_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "conf" / "mine.yaml"
    path.parent.mkdir()
    discovery = "{strategy: mailbox, params: {path: mail/inbox.mbox}}"
    path.write_text(HEAD + job("mine", discovery=discovery, replay="samples/x"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    mine = load_jobs(Path("conf/mine.yaml")).jobs[0]
    assert mine.discovery_params({})["path"] == str(tmp_path / "conf/mail/inbox.mbox")
    assert mine.replay_folder == tmp_path / "conf/samples/x"


def test_scalars_keep_their_text_where_text_is_asked_for():
    listed = parse(job(discovery="{strategy: static_list, params: {values: [NO, 1e3, 07, '7', 1.10]}}")).jobs[
        0
    ]
    assert listed.discovery_params({})["values"] == ["NO", "1e3", "07", "7", "1.10"]
    described = parse(job(description="007", owner="NO", tags="[1e3, yes]")).jobs[0]
    assert (described.description, described.owner, described.tags) == ("007", "NO", ("1e3", "yes"))


def test_objects_in_a_list_of_values_have_numbers():
    listed = parse(job(discovery="{strategy: static_list, params: {values: [{id: 7, title: x}]}}")).jobs[0]
    assert listed.discovery_params({})["values"] == [{"id": 7, "title": "x"}]
