"""market: one month of 1-second E-mini bars, labelled and featured for training.

```
market/raw_bars (vendor file, observed)
  -> market/session_bars      one contract per session, a row per second, gaps filled
       -> market/training_table   + labels under six brackets, sample weights, 43 features
            -> market/month_statistics   counts, win rates, sessions, feature ranges (JSON)
```

- Partition: the calendar month (`partitions.months`). Resource: `object_store`. Sensor: `sensors.market`.
  Job: `jobs.market`. Checks: `checks`, on the claims in `blocking_claims` and `informing_claims`.
- `assets` is one op, `market_month`, for all three tables: a month is read once and passed on in memory, and
  a range of months is one run that works them in parallel.
- The way of a month through the domain is `month`: `dbn` reads the vendor's format, `selection` chooses each
  session's contract (`contracts`, `session_calendar`) and validates its bars, `session_bars` fills the
  seconds, `labels` and `features` compute (`brackets`, `weights`, `rolling`, `kernels`), `training_table` and
  `statistics` give the published form, `published` reads it back, `report` describes it.
- `recipe` says what makes a month current, `months` where its objects lie, `explanation` how one label came
  about.

Not here: live bars, other roots than ES, the models that are trained on the tables.
"""
