-- The validation report: what is claimed of the published lists, and which of them break a claim.
-- Needs the lists of @run_date in the history with their sizes in `AIM.aim_size_keys`, the scores and the
-- vehicle mapping.
-- Leaves: for @run_date one row per claim, also when there is no list; the sample of a claim that holds is
-- null. Other dates stay.

DELETE FROM `AIM.aim_validation_report` WHERE run_date = @run_date;

INSERT INTO `AIM.aim_validation_report` (
  run_date, claim, severity, status, failing_rows, total_rows, sample
)
WITH
  claims AS (
    SELECT stated.claim, stated.severity
    FROM UNNEST([
      STRUCT('every_row_has_four_hotboxes' AS claim, 'error' AS severity),
      ('no_sku_appears_twice_in_a_row', 'error'),
      ('every_cell_is_an_id_or_a_dash', 'error'),
      ('every_sku_is_a_scored_product', 'error'),
      ('hb1_is_never_budget', 'warn'),
      ('every_vehicle_is_mapped', 'warn'),
      ('every_size_is_parsable', 'warn')
    ]) AS stated
  ),
  lists AS (
    SELECT
      *,
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(Vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key,
      [
        STRUCT(1 AS slot, HB1 AS cell), (2, HB2), (3, HB3), (4, HB4), (5, SKU1), (6, SKU2), (7, SKU3),
        (8, SKU4), (9, SKU5), (10, SKU6), (11, SKU7), (12, SKU8), (13, SKU9), (14, SKU10), (15, SKU11),
        (16, SKU12), (17, SKU13), (18, SKU14), (19, SKU15), (20, SKU16), (21, SKU17), (22, SKU18),
        (23, SKU19), (24, SKU20)
      ] AS slots
    FROM `AIM.AIMData_history`
    WHERE run_date = @run_date
  ),
  cells AS (
    SELECT
      lists.position, filled.slot, filled.cell, REGEXP_EXTRACT(filled.cell, r'^[0-9]{7,8}$') AS id
    FROM lists
    CROSS JOIN UNNEST(slots) AS filled
  ),
  -- A product has one grade, on as many rows as vehicles it was sold to.
  scored_products AS (
    SELECT CAST(ProductId AS STRING) AS id, LOGICAL_OR(UPPER(TRIM(GRADE)) = 'BUDGET') AS is_budget
    FROM `nexus_tyrescore.TyreScore_algorithm_output`
    GROUP BY ProductId
  ),
  judged_cells AS (
    SELECT
      cells.position,
      COUNTIF(slot <= 4 AND cells.id IS NULL) > 0 AS lacks_a_hotbox,
      COUNT(cells.id) > COUNT(DISTINCT cells.id) AS repeats_a_sku,
      COUNTIF(cells.id IS NULL AND COALESCE(cell, '') != '-') > 0 AS has_another_text,
      COUNTIF(cells.id IS NOT NULL AND scored_products.id IS NULL) > 0 AS has_an_unscored_sku,
      COUNTIF(slot = 1 AND is_budget) > 0 AS has_budget_first
    FROM cells
    LEFT JOIN scored_products ON scored_products.id = cells.id
    GROUP BY cells.position
  ),
  spelt_vehicles AS (
    SELECT
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key,
      vehicle, NULLIF(TRIM(CarMake), '') AS Make, NULLIF(TRIM(CarModel), '') AS Model
    FROM `AIM.aim-vehiclemapping`
  ),
  -- Only a mapping that was not loaded from the reference file can name a vehicle twice.
  mapped_vehicles AS (
    SELECT vehicle_key, Make, Model
    FROM spelt_vehicles
    WHERE vehicle_key != ''
    QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_key ORDER BY vehicle, Make, Model) = 1
  ),
  judged_lists AS (
    SELECT
      judged_cells.*, CONCAT(COALESCE(Vehicle, ''), '|', COALESCE(lists.Size, '')) AS landing,
      EXISTS (SELECT 1 FROM scored_products) AS there_are_scores,
      Make IS NULL OR Model IS NULL AS is_unmapped,
      size_keys.Size IS NULL AS is_unparsable
    FROM lists
    INNER JOIN judged_cells ON judged_cells.position = lists.position
    LEFT JOIN mapped_vehicles ON mapped_vehicles.vehicle_key = lists.vehicle_key
    LEFT JOIN `AIM.aim_size_keys` AS size_keys ON size_keys.Size = TRIM(lists.Size)
  ),
  failures AS (
    SELECT
      judged.claim, landing,
      ROW_NUMBER() OVER (PARTITION BY judged.claim ORDER BY position) AS place
    FROM judged_lists
    CROSS JOIN UNNEST([
      STRUCT('every_row_has_four_hotboxes' AS claim, lacks_a_hotbox AS fails),
      ('no_sku_appears_twice_in_a_row', repeats_a_sku),
      ('every_cell_is_an_id_or_a_dash', has_another_text),
      ('every_sku_is_a_scored_product', there_are_scores AND has_an_unscored_sku),
      ('hb1_is_never_budget', has_budget_first),
      ('every_vehicle_is_mapped', is_unmapped),
      ('every_size_is_parsable', is_unparsable)
    ]) AS judged
    WHERE judged.fails
  )
SELECT
  @run_date AS run_date, claims.claim, claims.severity,
  IF(COUNT(failures.claim) = 0, 'pass', 'fail') AS status,
  COUNT(failures.claim) AS failing_rows,
  (SELECT COUNT(*) FROM lists) AS total_rows,
  STRING_AGG(IF(place <= 3, landing, NULL), '; ' ORDER BY place) AS sample
FROM claims
LEFT JOIN failures ON failures.claim = claims.claim
GROUP BY claims.claim, claims.severity;
