"""What watches the world and asks for runs: one module per pipeline, each a pure planner and a thin sensor.

- `planning`: the planner of new and replaced files, and the grouping of keys into unbroken stretches. Pure.
- `dwh_raw_planning`, `dwh_transform_planning`: the planners of windows of a day and of days to filter. Pure.
- `discovery_planning`: what to start for a job of discovery. Pure. `discovery`: a sensor per job of its file.
- `dwh_events`: tries events again that could not be delivered. `alerts`: failed runs, and their recovery.
  `freshness`: assets that are late.

A sensor lists through a resource, plans, and returns requests, cursor and skip reason; it is stopped until
someone starts it, and does no work of the run itself.

Not here: the runs' content (`assets`), jobs and schedules (`jobs`), clients of other systems (`resources`).
"""
