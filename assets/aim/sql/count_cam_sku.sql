-- What merge_cam_sku.sql is about to do, asked before it: how many rows it inserts, replaces and leaves
-- untouched, and how many staged lists have no part in it, by reason.
-- Needs `AIM.aim_staged_cam_sku` and @last_modified.
-- Answers: one row. `replaced` and `untouched` are all rows stored before, with `inserted` all rows after.

WITH
incoming AS (SELECT * FROM `AIM.aim_staged_cam_sku` WHERE left_out IS NULL),
-- A stored row without a Make matches nothing, but it is a stored row.
fates AS (
  SELECT
    stored.is_stored IS NULL AS is_inserted,
    incoming.position IS NOT NULL AND COALESCE(stored.last_modified <= @last_modified, TRUE) AS is_written
  FROM (SELECT TRUE AS is_stored, * FROM `CAM_files.CAM_SKU`) AS stored
  FULL JOIN incoming
    ON UPPER(stored.Make) = UPPER(incoming.Make)
    AND UPPER(stored.Model) = UPPER(incoming.Model)
    AND stored.Width = incoming.Width
    AND COALESCE(stored.Profile, '') = incoming.Profile
    AND stored.Rim = incoming.Rim
),
merged AS (
  SELECT
    COUNTIF(is_inserted) AS inserted,
    COUNTIF(is_written AND NOT is_inserted) AS replaced,
    COUNTIF(NOT is_written) AS untouched
  FROM fates
),
excluded AS (
  SELECT
    COUNTIF(left_out = 'unmapped') AS unmapped,
    COUNTIF(left_out = 'unparsed') AS unparsed,
    COUNTIF(left_out = 'alias') AS aliases
  FROM `AIM.aim_staged_cam_sku`
)
SELECT inserted, replaced, untouched, unmapped, unparsed, aliases
FROM merged
CROSS JOIN excluded;
