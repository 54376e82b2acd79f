"""Timings of what users wait for, each beside a named baseline that is measured in the same run.

`python -m scripts.benchmarks` runs all of them, each in processes of its own, and writes one table.

- `aim`, `beams`, `discovery`, `dwh_filter`, `dwh_cluster`, `location`, `market`: a command line each, of the
  parts that are measured; what a part measures is in the modules with the same prefix
- `targets`: what the table has a row for, and the targets
- `lines`: what a part measured; `outcomes`: what came of a part, as tables and as JSON
- `suites`: the command line that all have in common; `processes`: what they start
- `kept_inputs`: inputs that a person keeps from one call to the next; `machine`: what they ran on

They are programs, not tests: machines are shared and noisy, so a slow result fails nothing; a wrong one does.
"""
