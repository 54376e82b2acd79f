-- The analysis table: what each CAM shows in its 24 slots, in words.
-- Needs the resolved CAMs of @run_date and the product catalogue.
-- Leaves: one row per CAM for @run_date, that of the vehicle that is first in the lists; other dates stay.

DELETE FROM `AIM.aim-analysis-table` WHERE Today = @run_date;

INSERT INTO `AIM.aim-analysis-table` (
  Today, Make, Model, Width, Profile, Rim,
  SKU, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15, SKU16,
  SKU17, SKU18, SKU19, SKU20, SKU21, SKU22, SKU23, SKU24,
  Segment, Category, CAM, distinct_sku_count, CAMSource
)
WITH
  cams AS (
    SELECT
      *,
      [
        STRUCT(1 AS slot, HB1 AS id), (2, HB2), (3, HB3), (4, HB4), (5, SKU1), (6, SKU2), (7, SKU3),
        (8, SKU4), (9, SKU5), (10, SKU6), (11, SKU7), (12, SKU8), (13, SKU9), (14, SKU10), (15, SKU11),
        (16, SKU12), (17, SKU13), (18, SKU14), (19, SKU15), (20, SKU16), (21, SKU17), (22, SKU18),
        (23, SKU19), (24, SKU20)
      ] AS slots
    FROM `AIM.aim_resolved_cams`
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Make, Model, Width, Profile, Rim ORDER BY position) = 1
  ),
  filled_slots AS (
    SELECT cams.position, filled.slot, filled.id
    FROM cams
    CROSS JOIN UNNEST(cams.slots) AS filled
    WHERE filled.id IS NOT NULL
  ),
  -- Only a catalogue that was not loaded from the reference file can name a product twice.
  products AS (
    SELECT
      SKU AS product_id,
      NULLIF(TRIM(Manufacturer), '') AS Manufacturer, NULLIF(TRIM(Model_Name), '') AS Model_Name
    FROM `Reference_Tables.Product_catalogue` AS catalogue
    WHERE SKU IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY SKU
      ORDER BY catalogue.Manufacturer, catalogue.Model_Name, catalogue.OE, catalogue.run_flat, catalogue.Brand
    ) = 1
  ),
  described_slots AS (
    SELECT
      filled_slots.position, filled_slots.slot,
      CONCAT(COALESCE(Manufacturer, ''), '-', COALESCE(Model_Name, ''), '-', filled_slots.id) AS product
    FROM filled_slots
    LEFT JOIN products ON products.product_id = SAFE_CAST(filled_slots.id AS INT64)
  ),
  described_lists AS (
    SELECT
      position,
      MAX(IF(slot = 1, product, NULL)) AS SKU, MAX(IF(slot = 2, product, NULL)) AS SKU2,
      MAX(IF(slot = 3, product, NULL)) AS SKU3, MAX(IF(slot = 4, product, NULL)) AS SKU4,
      MAX(IF(slot = 5, product, NULL)) AS SKU5, MAX(IF(slot = 6, product, NULL)) AS SKU6,
      MAX(IF(slot = 7, product, NULL)) AS SKU7, MAX(IF(slot = 8, product, NULL)) AS SKU8,
      MAX(IF(slot = 9, product, NULL)) AS SKU9, MAX(IF(slot = 10, product, NULL)) AS SKU10,
      MAX(IF(slot = 11, product, NULL)) AS SKU11, MAX(IF(slot = 12, product, NULL)) AS SKU12,
      MAX(IF(slot = 13, product, NULL)) AS SKU13, MAX(IF(slot = 14, product, NULL)) AS SKU14,
      MAX(IF(slot = 15, product, NULL)) AS SKU15, MAX(IF(slot = 16, product, NULL)) AS SKU16,
      MAX(IF(slot = 17, product, NULL)) AS SKU17, MAX(IF(slot = 18, product, NULL)) AS SKU18,
      MAX(IF(slot = 19, product, NULL)) AS SKU19, MAX(IF(slot = 20, product, NULL)) AS SKU20,
      MAX(IF(slot = 21, product, NULL)) AS SKU21, MAX(IF(slot = 22, product, NULL)) AS SKU22,
      MAX(IF(slot = 23, product, NULL)) AS SKU23, MAX(IF(slot = 24, product, NULL)) AS SKU24
    FROM described_slots
    GROUP BY position
  )
SELECT
  @run_date AS Today, cams.Make, cams.Model, cams.Width, cams.Profile, cams.Rim,
  described_lists.SKU, described_lists.SKU2, described_lists.SKU3, described_lists.SKU4,
  described_lists.SKU5, described_lists.SKU6, described_lists.SKU7, described_lists.SKU8,
  described_lists.SKU9, described_lists.SKU10, described_lists.SKU11, described_lists.SKU12,
  described_lists.SKU13, described_lists.SKU14, described_lists.SKU15, described_lists.SKU16,
  described_lists.SKU17, described_lists.SKU18, described_lists.SKU19, described_lists.SKU20,
  described_lists.SKU21, described_lists.SKU22, described_lists.SKU23, described_lists.SKU24,
  cams.Segment, cams.Category, cams.CAM, cams.distinct_sku_count, cams.CAMSource
FROM cams
-- A list without any product is still a row.
LEFT JOIN described_lists ON described_lists.position = cams.position;
