"""The jobs of dwh as functions over resources: what a step of Dagster and an entry on a platform both run.

- `workplace`: the resources of a deployment; `site`: these opened for one job.
- `transforming` with `raw_objects`, `transformed_lines` and `transform_publication`; `filtering`;
  `promoting` with `promotion_extracts` and `promotion_table`: what the three jobs do.
- `jobs`: the job objects and their factory, made out of the arguments of a command line. `hooks`: how they
  tell of their end; `events`: the outbox that they tell it through.
- `reports`: what each job shows, and how its claims came out.

Not here: Dagster, the rows (`frames`), and the rules (the modules of `assets.dwh`).
"""
