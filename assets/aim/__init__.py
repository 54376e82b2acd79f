"""aim: which 24 tyres the shop shows for every vehicle and size, and in which order.

The partition is the run date, a calendar date in London. Here are the rules that all stages share, free of
Dagster:

- What comes in: `feed_files` chooses the two daily feeds and `feeds` reads them, `runlist` reads the work
  list, `reference` the files that people keep, `events` the GA4 events. All of them read CSV through
  `csv_records` and numbers through `fields`.
- What is the same: `sizes` has the grammar and the key of a size, `vehicles` the fold and the key of a
  vehicle, `cams` the repair of the pair and its key, `columns` the way to apply such a rule to a column.
- What may go out: `results` judges the answers of the recommendation service, `slots` names the 24 slots.
- How a run is set up: `settings` lists every variable, `setting_values` what each may be, `configuration`
  which source wins and the origin of each value, `paths` the one rule for paths.

Not here yet: the stages, their SQL and the assets; so far nothing in this package runs by itself. Not here at
all: the recommendation service with its embedded ranker, and clients of other systems (`resources`).
"""
