-- The published lists whose landing is a CAM: their vehicle is mapped and their size is known.
-- Needs the lists of @run_date in the history with their sizes in `AIM.aim_size_keys`, the vehicle mapping
-- and the manual CAMs.
-- Leaves: one row per such list and no other; vehicles that are one CAM have a row each. A cell that holds no
-- product number is null.

DELETE FROM `AIM.aim_resolved_cams` WHERE TRUE;

INSERT INTO `AIM.aim_resolved_cams` (
  position, Vehicle, Size,
  HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13,
  SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20,
  Make, Model, Width, Profile, Rim, Segment, Category, CAM, CAMSource, distinct_sku_count
)
WITH
  lists AS (
    SELECT
      position, Vehicle, Size,
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(Vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key,
      REGEXP_EXTRACT(HB1, r'^[0-9]{7,8}$') AS HB1, REGEXP_EXTRACT(HB2, r'^[0-9]{7,8}$') AS HB2,
      REGEXP_EXTRACT(HB3, r'^[0-9]{7,8}$') AS HB3, REGEXP_EXTRACT(HB4, r'^[0-9]{7,8}$') AS HB4,
      REGEXP_EXTRACT(SKU1, r'^[0-9]{7,8}$') AS SKU1, REGEXP_EXTRACT(SKU2, r'^[0-9]{7,8}$') AS SKU2,
      REGEXP_EXTRACT(SKU3, r'^[0-9]{7,8}$') AS SKU3, REGEXP_EXTRACT(SKU4, r'^[0-9]{7,8}$') AS SKU4,
      REGEXP_EXTRACT(SKU5, r'^[0-9]{7,8}$') AS SKU5, REGEXP_EXTRACT(SKU6, r'^[0-9]{7,8}$') AS SKU6,
      REGEXP_EXTRACT(SKU7, r'^[0-9]{7,8}$') AS SKU7, REGEXP_EXTRACT(SKU8, r'^[0-9]{7,8}$') AS SKU8,
      REGEXP_EXTRACT(SKU9, r'^[0-9]{7,8}$') AS SKU9, REGEXP_EXTRACT(SKU10, r'^[0-9]{7,8}$') AS SKU10,
      REGEXP_EXTRACT(SKU11, r'^[0-9]{7,8}$') AS SKU11, REGEXP_EXTRACT(SKU12, r'^[0-9]{7,8}$') AS SKU12,
      REGEXP_EXTRACT(SKU13, r'^[0-9]{7,8}$') AS SKU13, REGEXP_EXTRACT(SKU14, r'^[0-9]{7,8}$') AS SKU14,
      REGEXP_EXTRACT(SKU15, r'^[0-9]{7,8}$') AS SKU15, REGEXP_EXTRACT(SKU16, r'^[0-9]{7,8}$') AS SKU16,
      REGEXP_EXTRACT(SKU17, r'^[0-9]{7,8}$') AS SKU17, REGEXP_EXTRACT(SKU18, r'^[0-9]{7,8}$') AS SKU18,
      REGEXP_EXTRACT(SKU19, r'^[0-9]{7,8}$') AS SKU19, REGEXP_EXTRACT(SKU20, r'^[0-9]{7,8}$') AS SKU20
    FROM `AIM.AIMData_history`
    WHERE run_date = @run_date
  ),
  spelt_vehicles AS (
    SELECT
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key,
      vehicle, NULLIF(TRIM(CarMake), '') AS Make, NULLIF(TRIM(CarModel), '') AS Model, Segment, Category
    FROM `AIM.aim-vehiclemapping`
  ),
  -- Only a mapping that was not loaded from the reference file can name a vehicle twice.
  mapped_vehicles AS (
    SELECT vehicle_key, Make, Model, Segment, Category
    FROM spelt_vehicles
    WHERE vehicle_key != ''
    QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_key ORDER BY vehicle, Make, Model, Segment, Category) = 1
  ),
  cams AS (
    SELECT
      lists.*,
      mapped_vehicles.Make, mapped_vehicles.Model, mapped_vehicles.Segment, mapped_vehicles.Category,
      size_keys.Width, size_keys.Profile, size_keys.Rim,
      REGEXP_REPLACE(
        UPPER(REPLACE(NORMALIZE(CONCAT(Make, Model, Width, Profile, Rim), NFKD), 'ß', 'SS')),
        r'[^A-Z0-9]', ''
      ) AS CAM,
      [
        HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12,
        SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
      ] AS ids
    FROM lists
    INNER JOIN mapped_vehicles ON mapped_vehicles.vehicle_key = lists.vehicle_key
    INNER JOIN `AIM.aim_size_keys` AS size_keys ON size_keys.Size = TRIM(lists.Size)
    WHERE Make IS NOT NULL AND Model IS NOT NULL
  ),
  manual_cams AS (
    SELECT DISTINCT REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(CAM, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS CAM
    FROM `AIM.aim-manual-cams`
  )
SELECT
  cams.position, cams.Vehicle, cams.Size,
  HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13,
  SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20,
  Make, Model, Width, Profile, Rim, Segment, Category,
  cams.CAM,
  IF(manual_cams.CAM IS NULL, 'AIM', 'manual') AS CAMSource,
  (SELECT COUNT(DISTINCT id) FROM UNNEST(cams.ids) AS id) AS distinct_sku_count
FROM cams
LEFT JOIN manual_cams ON manual_cams.CAM = cams.CAM;
