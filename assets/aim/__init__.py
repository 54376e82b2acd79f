"""aim: which 24 tyres the shop shows for every vehicle and size, in which order, and the reports around it.

```
aim/car_sales + aim/tyre_feed            Stage 1: the two daily feeds
  -> aim/tyre_scores                     Stage 3: tier, zone, shares and click rate per product and vehicle
       -> aim/recommendations + aim/cam_sku      Stage 4: the lists, and the last good list of every CAM
            -> aim/validation_report             Stage 5: seven claims; broken ones stop what follows
                 -> aim/analysis                 Stage 6
                 -> aim/token_fact               Stage 7
                 -> aim/override_file + aim/size_file    Stage 8
                 -> aim/merchandising_report     Stage 9: what shoppers saw and bought
```

- Partition: the run date in London (`partitions.run_dates`). Resources: `object_store`, `warehouse`, `waves`.
  Sensor: `sensors.aim`. Job and schedule: `jobs.aim`. Checks: `checks`, on the claims in `claims`. Command
  line: `aim-job/main.py`, which is `scripts.aim_job`.
- `assets` is one op per stage; `steps` is what Dagster sees of one; `stages` does the work, for the command
  line as well. SQL is in `sql/`, the tables that it reads and writes are declared in `tables`.
- What comes in: `feed_files` chooses the two daily feeds and `feeds` reads them, `runlist` reads the work
  list, `reference` the files that people keep, `events` the GA4 events. CSV is read through `csv_records`,
  numbers through `fields`.
- What is the same everywhere: `sizes` has the grammar and the key of a size, `vehicles` the fold and the key
  of a vehicle, `cams` the repair of the pair and its key, `columns` the way to apply such a rule to a column.
- What goes out: `results` judges the answers of the recommendation service, `publication` guards and shapes
  what is published, `slots` names the 24 slots, `costs` says what a run cost, `pictures` draws.
- How a run is set up and followed: `settings` lists every variable, `setting_values` what each may be,
  `configuration` which source wins, `paths` the one rule for paths, `run_ids` the name of a run, `job_book`
  and `job_files` its status and its manifest.

Not here: the recommendation service with its embedded ranker, and clients of other systems (`resources`).
"""
