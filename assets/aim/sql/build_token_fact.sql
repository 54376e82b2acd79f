-- The token fact: every filled slot of every published list, with its product and its CAM.
-- Needs the resolved CAMs of @run_date and the product catalogue.
-- Leaves: one row per filled slot of each of those lists for @run_date, also where several vehicles are one
-- CAM; other dates stay.

DELETE FROM `AIM.aim_token_fact` WHERE snapshot_date = @run_date;

INSERT INTO `AIM.aim_token_fact` (
  snapshot_date, Manufacturer, Make, Model, Vehicle, Size, Segment, Category, Model_Name, OE, has_oe,
  sku, token_position, token_bucket, is_hotbox, hotbox_n, CAM, CAMSource, distinct_sku_count
)
WITH
  lists AS (
    SELECT
      *,
      [
        STRUCT(1 AS slot, HB1 AS id), (2, HB2), (3, HB3), (4, HB4), (5, SKU1), (6, SKU2), (7, SKU3),
        (8, SKU4), (9, SKU5), (10, SKU6), (11, SKU7), (12, SKU8), (13, SKU9), (14, SKU10), (15, SKU11),
        (16, SKU12), (17, SKU13), (18, SKU14), (19, SKU15), (20, SKU16), (21, SKU17), (22, SKU18),
        (23, SKU19), (24, SKU20)
      ] AS slots
    FROM `AIM.aim_resolved_cams`
  ),
  tokens AS (
    SELECT
      Vehicle, Size, Make, Model, Segment, Category, CAM, CAMSource, distinct_sku_count,
      filled.slot, SAFE_CAST(filled.id AS INT64) AS product_id, filled.slot <= 4 AS is_hotbox
    FROM lists
    CROSS JOIN UNNEST(slots) AS filled
    WHERE filled.id IS NOT NULL
  ),
  -- Only a catalogue that was not loaded from the reference file can name a product twice.
  products AS (
    SELECT
      SKU AS product_id,
      NULLIF(TRIM(Manufacturer), '') AS Manufacturer, NULLIF(TRIM(Model_Name), '') AS Model_Name,
      NULLIF(TRIM(OE), '') AS OE
    FROM `Reference_Tables.Product_catalogue` AS catalogue
    WHERE SKU IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY SKU
      ORDER BY catalogue.Manufacturer, catalogue.Model_Name, catalogue.OE, catalogue.run_flat, catalogue.Brand
    ) = 1
  )
SELECT
  @run_date AS snapshot_date, Manufacturer, Make, Model, Vehicle, Size, Segment, Category, Model_Name,
  OE, OE IS NOT NULL AS has_oe,
  tokens.product_id AS sku, slot AS token_position,
  IF(is_hotbox, CONCAT('Hotbox ', CAST(slot AS STRING)), 'Waves') AS token_bucket,
  is_hotbox, IF(is_hotbox, slot, NULL) AS hotbox_n,
  CAM, CAMSource, distinct_sku_count
FROM tokens
LEFT JOIN products ON products.product_id = tokens.product_id;
