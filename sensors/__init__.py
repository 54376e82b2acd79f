"""What watches the world and asks for runs: one module per pipeline, each a pure planner and a thin sensor.

- `planning`: the planner of new and replaced files, and the grouping of keys into unbroken stretches. Pure.

A sensor lists through a resource, plans, and returns requests, cursor and skip reason; it is stopped until
someone starts it, and does no work of the run itself.

Not here: the runs' content (`assets`), jobs and schedules (`jobs`), clients of other systems (`resources`).
"""
