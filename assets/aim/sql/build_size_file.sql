-- The size file: the products that the CAMs of a size show most often, on 60 slots per size.
-- Needs the override rows of @run_date and the product catalogue.
-- Leaves: up to 60 rows per size for @run_date; a slot whose rank no product has is no row; other dates stay.

DELETE FROM `AIM.AIM-override-file-size` WHERE Start_date = @run_date;

INSERT INTO `AIM.AIM-override-file-size` (
  product_id, slot_number, Rationale, Initiative, Notes, Start_date, Review_date, Brand, Size
)
WITH
  lists AS (
    SELECT
      Make, Model, Width, Profile, Rim,
      [
        SKU, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15,
        SKU16, SKU17, SKU18, SKU19, SKU20, SKU21, SKU22, SKU23, SKU24
      ] AS skus
    FROM `AIM.AIM-override-file`
    WHERE Today = @run_date
  ),
  -- A CAM counts once for a product, in however many slots it shows it.
  shown AS (
    SELECT DISTINCT Make, Model, Width, Profile, Rim, SAFE_CAST(sku AS INT64) AS product_id
    FROM lists
    CROSS JOIN UNNEST(skus) AS sku
  ),
  -- Only a catalogue that was not loaded from the reference file can name a product twice.
  products AS (
    SELECT SKU AS product_id, NULLIF(TRIM(Brand), '') AS Brand
    FROM `Reference_Tables.Product_catalogue` AS catalogue
    WHERE SKU IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY SKU
      ORDER BY catalogue.Manufacturer, catalogue.Model_Name, catalogue.OE, catalogue.run_flat, catalogue.Brand
    ) = 1
  ),
  counts AS (
    SELECT Width, Profile, Rim, shown.product_id, Brand, COUNT(*) AS cams
    FROM shown
    INNER JOIN products ON products.product_id = shown.product_id
    WHERE Brand IS NOT NULL
    GROUP BY Width, Profile, Rim, shown.product_id, Brand
  ),
  ranked AS (
    SELECT
      *, ROW_NUMBER() OVER (PARTITION BY Width, Profile, Rim ORDER BY cams DESC, product_id) AS place
    FROM counts
  ),
  -- Slots 9, 13, 17 and 21 show the first four once more; what follows each of them moves one slot on.
  layout AS (
    SELECT
      slot,
      CASE
        WHEN slot <= 8 THEN slot
        WHEN slot = 9 THEN 1
        WHEN slot <= 12 THEN slot - 1
        WHEN slot = 13 THEN 2
        WHEN slot <= 16 THEN slot - 2
        WHEN slot = 17 THEN 3
        WHEN slot <= 20 THEN slot - 3
        WHEN slot = 21 THEN 4
        ELSE slot - 4
      END AS place
    FROM UNNEST(GENERATE_ARRAY(1, 60)) AS slot
  )
SELECT
  product_id,
  CAST(layout.slot AS NUMERIC) + CAST('0.001' AS NUMERIC) AS slot_number,
  'AIM_Size' AS Rationale, 'AIM_Size' AS Initiative, 'AIM_Size' AS Notes,
  @run_date AS Start_date, DATE_ADD(@run_date, INTERVAL 30 DAY) AS Review_date,
  Brand,
  CONCAT(Width, IF(Profile = '', '', CONCAT('/', Profile)), ' R', Rim) AS Size
FROM ranked
INNER JOIN layout ON layout.place = ranked.place;
