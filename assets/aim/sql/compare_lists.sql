-- What the staged lists change, CAM by CAM, against those that `AIM.AIMData` shows: asked before they are
-- published. A CAM whose products or their slots differ is changed; its spelling does not count.
-- Needs `AIM.aim_staged_lists`, and in `AIM.aim_size_keys` the sizes of `AIM.AIMData`.
-- Answers: one row.

WITH
staged AS (
  SELECT
    vehicle_key,
    size_identity,
    ARRAY_TO_STRING([
      HB1, HB2, HB3, HB4, SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12,
      SKU13, SKU14, SKU15, SKU16, SKU17, SKU18, SKU19, SKU20
    ], ',') AS products
  FROM `AIM.aim_staged_lists`
),
-- A CAM is its vehicle key and its size key; a text that holds no size stands for itself, folded.
shown_rows AS (
  SELECT
    REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(lists.Vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')
      AS vehicle_key,
    COALESCE(
      sizes.size_key,
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(lists.Size, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')
    ) AS size_identity,
    ARRAY_TO_STRING([
      lists.HB1, lists.HB2, lists.HB3, lists.HB4, lists.SKU1, lists.SKU2, lists.SKU3, lists.SKU4,
      lists.SKU5, lists.SKU6, lists.SKU7, lists.SKU8, lists.SKU9, lists.SKU10, lists.SKU11, lists.SKU12,
      lists.SKU13, lists.SKU14, lists.SKU15, lists.SKU16, lists.SKU17, lists.SKU18, lists.SKU19,
      lists.SKU20
    ], ',', '-') AS products
  FROM `AIM.AIMData` AS lists
  LEFT JOIN `AIM.aim_size_keys` AS sizes ON sizes.Size = TRIM(lists.Size)
),
-- Rows that others have appended may repeat a CAM: it stays the same only where all of them do.
shown AS (
  SELECT
    vehicle_key,
    size_identity,
    MIN(products) AS least_products,
    MAX(products) AS greatest_products
  FROM shown_rows
  GROUP BY vehicle_key, size_identity
)
SELECT
  COUNTIF(shown.least_products IS NULL) AS added,
  COUNTIF(staged.products != shown.least_products OR staged.products != shown.greatest_products)
    AS changed,
  COUNTIF(staged.products = shown.least_products AND staged.products = shown.greatest_products)
    AS unchanged,
  COUNTIF(staged.products IS NULL) AS gone
FROM staged
FULL JOIN shown ON shown.vehicle_key = staged.vehicle_key AND shown.size_identity = staged.size_identity;
