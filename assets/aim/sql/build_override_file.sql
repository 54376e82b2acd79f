-- The override file: the 24 product numbers of each CAM, as the shop takes them over.
-- Needs the resolved CAMs of @run_date and the product catalogue.
-- Leaves: one row per CAM for @run_date, that of the vehicle that is first in the lists, with each product in
-- its slot and null in an empty one; other dates stay.

DELETE FROM `AIM.AIM-override-file` WHERE Today = @run_date;

INSERT INTO `AIM.AIM-override-file` (
  Today, Make, Model, Width, Profile, Rim,
  SKU, TakeoverName, RibbonName, SKU2, RibbonName2, SKU3, RibbonName3, SKU4, RibbonName4,
  Country, Year, CAMUSlot,
  SKU5, RibbonName5, SKU6, RibbonName6, SKU7, RibbonName7, SKU8, RibbonName8, SKU9, RibbonName9, SKU10,
  RibbonName10, SKU11, RibbonName11, SKU12, RibbonName12, SKU13, RibbonName13, SKU14, RibbonName14,
  SKU15, RibbonName15, SKU16, RibbonName16, SKU17, RibbonName17, SKU18, RibbonName18, SKU19,
  RibbonName19, SKU20, RibbonName20, SKU21, RibbonName21, SKU22, RibbonName22, SKU23, RibbonName23,
  SKU24, RibbonName24,
  Manufacturer, ModelName, OE, Segment, Category, Size, Vehicle, CAM, distinct_sku_count, CAMSource
)
WITH
  cams AS (
    SELECT *
    FROM `AIM.aim_resolved_cams`
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Make, Model, Width, Profile, Rim ORDER BY position) = 1
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
  @run_date, Make, Model, Width, Profile, Rim,
  HB1,
  LOWER(CONCAT(
    'aim-', REGEXP_REPLACE(Make, r'\s', ''), '-', REGEXP_REPLACE(Model, r'\s', ''),
    '-', Width, '-', Profile, '-', Rim
  )) AS takeover_name,
  '', HB2, '', HB3, '', HB4, '',
  'UK', '', 4,
  SKU1, '', SKU2, '', SKU3, '', SKU4, '', SKU5, '', SKU6, '', SKU7, '', SKU8, '', SKU9, '', SKU10, '',
  SKU11, '', SKU12, '', SKU13, '', SKU14, '', SKU15, '', SKU16, '', SKU17, '', SKU18, '', SKU19, '',
  SKU20, '',
  Manufacturer, Model_Name, OE, Segment, Category, Size, Vehicle, CAM, distinct_sku_count, CAMSource
FROM cams
LEFT JOIN products ON products.product_id = SAFE_CAST(cams.HB1 AS INT64);
