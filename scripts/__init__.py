"""Programs that a person starts, each a few lines over the same assets, domain and resources as the web UI.

- the predecessors' command lines, with their flags and exit codes; that of aim, `aim_job`, is called by
  `aim-job/main.py`
- `dwh_entry`: the entries of dwh, `{glue,emr,databricks,container}/generic_entry.py`: a run of Dagster here
  (`dwh_runs` on `dwh_launches`, by the factories in `dwh_jobs/`), or the job that a step has sent to a
  platform (`dwh_payload`); `dwh_output`: what they print; `dwh_package`: the code as a platform takes it
- `beams/`: `python -m scripts.beams`, cases and beams by hand; `beam_watcher`: their sensors, without a UI;
  `beam_runs`: what the sensor asks for, run in this process
- `terminal/`: how the command lines of several pipelines answer; `single_copy`: one process of a kind at a
  time; `process_groups`: a command ended with all that comes from it; `whole_file`: no half of a file
- `dev`: the web UI and the daemon on this machine; `dagster_home`: where its Dagster instance lives;
  `web_address`: where its web UI is; `web_server`: what one answers
- `demo`: the pipelines from one end to the other on sample data, each in a module of `demos/`
- `doctor/`: what of a deployment is configured, reachable and writable; `retention/`: what of the
  history and of ended runs' files may go; `backup/`: the home as an archive, and back
- `run_checks`: what the checks of a run came to; `failed_partitions`: which partitions are left failed;
  `dagster_instance`: the instance that such a command reads
- `screenshots`: the pictures of the documents, of the samples in `ui_samples`; `ui_session`: where things are
  in the web UI
- `waves_server`: the recommendation service on loopback, to rehearse against, with its answers in
  `waves_rehearsal` and its injected faults in `waves_faults`
- `benchmarks/`: timings, each printed as a ratio against a named baseline measured in the same run
- `sample_data/`: `python -m scripts.sample_data <pipeline>` makes inputs, so that everything runs without
  an account or a bucket

Not here: rules of a domain (`assets/<pipeline>/`) and clients of external systems (`resources/`).
"""
