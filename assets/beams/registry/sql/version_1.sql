-- The first version of the beams registry. Times are ISO 8601 UTC, written as `2026-03-20T13:00:00.000000Z`:
-- all of one width, so that they sort and compare as text. What others write with fewer decimals is taken too:
-- as text it is off by less than its second. Unknown is NULL.

CREATE TABLE cases (
  case_key TEXT PRIMARY KEY CHECK (length(case_key) BETWEEN 1 AND 64),
  room TEXT,
  case_path TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN (
    'new', 'waiting', 'ready', 'interpreting', 'simulating', 'reporting', 'completed',
    'completed_with_warnings', 'failed', 'cancelling', 'cancelled')),
  progress REAL CHECK (progress BETWEEN 0 AND 100),
  fingerprint TEXT,
  attempt INT CHECK (attempt >= 0),
  retry_count INT CHECK (retry_count >= 0),
  failure_phase TEXT,
  failure_category TEXT CHECK (failure_category IN ('pending', 'retryable', 'permanent')),
  failure_code TEXT,
  failure_message TEXT,
  failure_details TEXT CHECK (failure_details IS NULL OR json_valid(failure_details)),
  warnings TEXT CHECK (warnings IS NULL OR json_valid(warnings)),
  created_at TEXT CHECK (created_at LIKE '____-__-__T__:__:__%Z'),
  updated_at TEXT CHECK (updated_at LIKE '____-__-__T__:__:__%Z'),
  completed_at TEXT CHECK (completed_at LIKE '____-__-__T__:__:__%Z')
) STRICT;

CREATE TABLE beams (
  beam_id TEXT PRIMARY KEY,
  case_key TEXT NOT NULL REFERENCES cases (case_key),
  treatment_index INT NOT NULL CHECK (treatment_index >= 1),
  dicom_number INT NOT NULL,
  plan_position INT NOT NULL CHECK (plan_position >= 1),
  name TEXT,
  folder TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN (
    'pending', 'prepared', 'queued', 'uploading', 'running', 'collecting', 'validating', 'completed',
    'failed', 'cancelled')),
  progress REAL CHECK (progress BETWEEN 0 AND 100),
  attempt INT CHECK (attempt >= 0),
  retry_count INT CHECK (retry_count >= 0),
  run_id TEXT,
  engine TEXT,
  failure_phase TEXT,
  failure_category TEXT CHECK (failure_category IN ('pending', 'retryable', 'permanent')),
  failure_code TEXT,
  failure_message TEXT,
  failure_details TEXT CHECK (failure_details IS NULL OR json_valid(failure_details)),
  created_at TEXT CHECK (created_at LIKE '____-__-__T__:__:__%Z'),
  updated_at TEXT CHECK (updated_at LIKE '____-__-__T__:__:__%Z'),
  UNIQUE (case_key, treatment_index)
) STRICT;

CREATE TABLE workflow_steps (
  id INTEGER PRIMARY KEY,
  case_key TEXT NOT NULL,
  beam_id TEXT,
  step TEXT NOT NULL,
  attempt INT,
  run_id TEXT,
  status TEXT NOT NULL CHECK (status IN ('started', 'completed', 'failed', 'skipped')),
  actor TEXT,
  reason TEXT,
  started_at TEXT NOT NULL CHECK (started_at LIKE '____-__-__T__:__:__%Z'),
  completed_at TEXT CHECK (completed_at LIKE '____-__-__T__:__:__%Z'),
  metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
  CHECK ((status = 'started') = (completed_at IS NULL))
) STRICT;

CREATE TABLE gpu_resources (
  uuid TEXT PRIMARY KEY,
  host TEXT,
  gpu_index INT,
  name TEXT,
  memory_total_mib INT,
  memory_used_mib INT,
  memory_free_mib INT,
  temperature_c INT,
  utilization_percent INT,
  core_clock_mhz INT,
  status TEXT NOT NULL CHECK (status IN (
    'idle', 'held', 'foreign', 'small', 'quarantined', 'vanished', 'unknown')),
  seen_at TEXT CHECK (seen_at LIKE '____-__-__T__:__:__%Z')
) STRICT;

CREATE TABLE leases (
  uuid TEXT NOT NULL,
  token INT NOT NULL CHECK (token >= 1),
  owner_run TEXT NOT NULL,
  beam_id TEXT NOT NULL,
  host TEXT,
  state TEXT NOT NULL CHECK (state IN ('held', 'released', 'expired', 'quarantined')),
  acquired_at TEXT NOT NULL CHECK (acquired_at LIKE '____-__-__T__:__:__%Z'),
  heartbeat_at TEXT NOT NULL CHECK (heartbeat_at LIKE '____-__-__T__:__:__%Z'),
  expires_at TEXT NOT NULL CHECK (expires_at LIKE '____-__-__T__:__:__%Z'),
  ended_at TEXT CHECK (ended_at LIKE '____-__-__T__:__:__%Z'),
  PRIMARY KEY (uuid, token),
  CHECK ((state = 'held') = (ended_at IS NULL))
) STRICT;

CREATE TABLE deliveries (
  delivery_id TEXT PRIMARY KEY,
  case_key TEXT NOT NULL,
  beam_id TEXT NOT NULL,
  delivery_path TEXT NOT NULL,
  delivery_timestamp TEXT NOT NULL CHECK (delivery_timestamp LIKE '____-__-__T__:__:__%Z'),
  fraction_index INT NOT NULL CHECK (fraction_index >= 1),
  dicom_number INT NOT NULL,
  treatment_index INT NOT NULL CHECK (treatment_index >= 1),
  is_reference INT NOT NULL CHECK (is_reference IN (0, 1)),
  interrupted INT NOT NULL CHECK (interrupted IN (0, 1)),
  ptn_status TEXT NOT NULL DEFAULT 'none' CHECK (ptn_status IN (
    'none', 'running', 'passed', 'conditional', 'failed', 'no_data', 'error')),
  gamma_pass_rate REAL,
  gamma_mean REAL,
  gamma_max REAL,
  evaluated_points INT,
  report_path TEXT,
  failure_code TEXT,
  failure_message TEXT,
  updated_at TEXT CHECK (updated_at LIKE '____-__-__T__:__:__%Z')
) STRICT;

CREATE UNIQUE INDEX one_held_lease_per_gpu ON leases (uuid) WHERE state = 'held';
CREATE INDEX idx_leases_owner_run ON leases (owner_run);
CREATE INDEX idx_cases_status ON cases (status);
CREATE INDEX idx_cases_updated_at ON cases (updated_at);
CREATE INDEX idx_beams_case_key ON beams (case_key);
CREATE INDEX idx_beams_status ON beams (status);
CREATE INDEX idx_workflow_steps_case_key ON workflow_steps (case_key, started_at);
CREATE INDEX idx_deliveries_case_key ON deliveries (case_key);
CREATE INDEX idx_deliveries_beam_id ON deliveries (beam_id);
CREATE INDEX idx_deliveries_delivery_timestamp ON deliveries (delivery_timestamp);
