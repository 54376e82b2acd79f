-- Finds the row of CAM_SKU that each staged list is for, and why some have none.
-- Needs `AIM.aim_staged_lists` and the vehicle mapping.
-- Leaves: in `AIM.aim_staged_cam_sku` one row per staged list. `left_out` is `unmapped` without a Make and a
-- Model, else `unparsed` without a size, else `alias` after another list for the same row of CAM_SKU; it is
-- null where the list goes out.

DELETE FROM `AIM.aim_staged_cam_sku` WHERE TRUE;

INSERT INTO `AIM.aim_staged_cam_sku` (
  position, Make, Model, Width, Profile, Rim,
  SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15, SKU16,
  SKU17, SKU18, SKU19, SKU20, SKU21, SKU22, SKU23, SKU24,
  left_out
)
WITH
names AS (
  SELECT
    REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key,
    vehicle,
    TRIM(CarMake) AS make,
    TRIM(CarModel) AS model
  FROM `AIM.aim-vehiclemapping`
  WHERE TRIM(CarMake) != '' AND TRIM(CarModel) != ''
),
-- The files of a run name a vehicle once; a mapping kept elsewhere may name it more often, in no order.
mapping AS (
  SELECT vehicle_key, make, model
  FROM names
  WHERE vehicle_key != ''
  QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_key ORDER BY vehicle, make, model) = 1
),
-- Make and Model are compared as merge_cam_sku.sql does, or one row there would match two lists.
resolved AS (
  SELECT
    staged.*,
    mapping.make,
    mapping.model,
    ROW_NUMBER() OVER (
      PARTITION BY UPPER(mapping.make), UPPER(mapping.model), staged.Width, staged.Profile, staged.Rim
      ORDER BY staged.position
    ) AS place
  FROM `AIM.aim_staged_lists` AS staged
  LEFT JOIN mapping ON mapping.vehicle_key = staged.vehicle_key
)
SELECT
  position, make, model, Width, Profile, Rim,
  cam_sku_1, cam_sku_2, cam_sku_3, cam_sku_4, cam_sku_5, cam_sku_6, cam_sku_7, cam_sku_8, cam_sku_9,
  cam_sku_10, cam_sku_11, cam_sku_12, cam_sku_13, cam_sku_14, cam_sku_15, cam_sku_16, cam_sku_17,
  cam_sku_18, cam_sku_19, cam_sku_20, cam_sku_21, cam_sku_22, cam_sku_23, cam_sku_24,
  CASE
    WHEN make IS NULL THEN 'unmapped'
    WHEN Width IS NULL THEN 'unparsed'
    WHEN place > 1 THEN 'alias'
  END AS left_out
FROM resolved;
