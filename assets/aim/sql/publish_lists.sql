-- Publishes the staged lists as those of @run_date.
-- Needs `AIM.aim_staged_lists`, and in `AIM.aim_size_keys` the sizes of `AIM.AIMData` and of its history.
-- Leaves: in the history, for @run_date, the staged rows; in `AIM.AIMData` the rows of the history's greatest
-- run date, and of the rows that were there before, those of other CAMs. So an older date that is run again
-- replaces no newer list.

DELETE FROM `AIM.AIMData_history` WHERE run_date = @run_date;

INSERT INTO `AIM.AIMData_history` (
  run_date, position, Vehicle, Size, HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8,
  SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
)
SELECT
  @run_date, position, Vehicle, Size, HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8,
  SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
FROM `AIM.aim_staged_lists`;

DELETE FROM `AIM.AIMData` AS shown
WHERE EXISTS (
  WITH
  pairs AS (
    SELECT Vehicle, Size, TRUE AS is_latest
    FROM `AIM.AIMData_history`
    WHERE run_date = (SELECT MAX(run_date) FROM `AIM.AIMData_history`)
    UNION ALL
    SELECT Vehicle, Size, FALSE AS is_latest
    FROM `AIM.AIMData`
  ),
  -- A CAM is its vehicle key and its size key; a text that holds no size stands for itself, folded.
  cams AS (
    SELECT
      pairs.Vehicle,
      pairs.Size,
      pairs.is_latest,
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(pairs.Vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')
        AS vehicle_key,
      COALESCE(
        sizes.size_key,
        REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(pairs.Size, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')
      ) AS size_identity
    FROM pairs
    LEFT JOIN `AIM.aim_size_keys` AS sizes ON sizes.Size = TRIM(pairs.Size)
  ),
  replaced AS (
    SELECT Vehicle, Size
    FROM cams
    WHERE TRUE
    QUALIFY LOGICAL_OR(is_latest) OVER (PARTITION BY vehicle_key, size_identity)
  )
  SELECT 1
  FROM replaced
  WHERE replaced.Vehicle = shown.Vehicle AND replaced.Size = shown.Size
);

INSERT INTO `AIM.AIMData` (
  Vehicle, Size, HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11,
  SKU12, SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
)
SELECT
  Vehicle, Size, HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11,
  SKU12, SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
FROM `AIM.AIMData_history`
WHERE run_date = (SELECT MAX(run_date) FROM `AIM.AIMData_history`);
