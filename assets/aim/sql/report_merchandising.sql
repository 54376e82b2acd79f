-- How the products of each landing were seen, and bought afterwards, on every London date of the last 21
-- days. Needs @run_date; @masked_from and @masked_to, in pairs, the first and last days of ranges that are
-- not to be judged; `AIM.aim_event_items` of this run date; the vehicle mapping. Replaces all dates of the
-- window, run date - 21 to run date - 1, in `AIM.aim-merchandising-report`, and no other.
--
-- Only events of the window are looked at, although the rules speak of 90 days before it. Those cannot change
-- a row: a purchase belongs to the last view before it, and if that view is in the window it is also the last
-- one among the views of the window.
--
-- Decided here: a position is a whole number, so `3.0` is 3 and `3.5` is none; texts are compared by code
-- point, also SKUs; a price beyond NUMERIC counts as none; views of one key that agree in all that the rules
-- name go by brand, name and variant; mapping rows of one key by vehicle, make, model, pod, category,
-- segment.
DELETE FROM `AIM.aim-merchandising-report`
WHERE Date BETWEEN DATE_SUB(@run_date, INTERVAL 21 DAY) AND DATE_SUB(@run_date, INTERVAL 1 DAY);

INSERT INTO `AIM.aim-merchandising-report` (
  Date, journey_category, Vehicle, Size, SlotPosition, MerchandisingPosition, Manufacturer, ModelName,
  Variant, SKU, TotalUsers, Segment, Pod, Category, Orders, Purchasers, PurchasedUnits, PurchasedRevenue,
  UsersUniqueDayJourney
)
WITH
  -- The first rule that a landing fulfils names its journey. Both patterns are LIKE patterns, for the folder
  -- of the landing (item_category8) and for its vehicle (item_category5), trimmed and in upper case.
  journey_rules AS (
    SELECT rule, code_like, vehicle_like, journey_category
    FROM UNNEST([
      STRUCT(
        1 AS rule, 'PSUCMM-AIM%' AS code_like, '%' AS vehicle_like, 'AIM U - SWITCH' AS journey_category
      ),
      STRUCT(2, 'PXSUCMM-AIM%', '%', 'AIM U - SWITCH'),
      STRUCT(3, 'SUCMM-AIM%', '%', 'AIM U'),
      STRUCT(4, 'XSUCMM-AIM%', '%', 'AIM U'),
      STRUCT(5, 'P%-AIM%', '%', 'AIM - SWITCH'),
      STRUCT(6, '%-AIM%', '%', 'AIM'),
      STRUCT(7, 'SUCMM%', '%', 'CAM WAVES U'),
      STRUCT(8, 'XSUCMM%', '%', 'CAM WAVES U'),
      STRUCT(9, 'PSUCMM%', '%', 'CAM WAVES U - SWITCH'),
      STRUCT(10, 'PXSUCMM%', '%', 'CAM WAVES U - SWITCH'),
      STRUCT(11, 'UCMM%', '%', 'CAM U'),
      STRUCT(12, 'XUCMM%', '%', 'CAM U'),
      STRUCT(13, 'PUCMM%', '%', 'CAM U - SWITCH'),
      STRUCT(14, 'PXUCMM%', '%', 'CAM U - SWITCH'),
      STRUCT(15, 'SCMM%', '%', 'CAM WAVES'),
      STRUCT(16, 'PSCMM%', '%', 'CAM WAVES - SWITCH'),
      STRUCT(17, 'CMM%', '%', 'CAM'),
      STRUCT(18, 'PCMM%', '%', 'CAM - SWITCH'),
      STRUCT(19, '%', 'NO VRM SEARCH', 'SIZE'),
      STRUCT(20, '%', '%', 'NON MERCH VRM')
    ])
  ),
  window_items AS (
    SELECT
      event_name, london_date, event_timestamp, user_pseudo_id, page_location, transaction_id,
      item_id, item_name, item_brand, item_variant, item_list_index,
      item_category5, item_category6, item_category8, price, quantity
    FROM `AIM.aim_event_items`
    WHERE
      london_date BETWEEN DATE_SUB(@run_date, INTERVAL 21 DAY) AND DATE_SUB(@run_date, INTERVAL 1 DAY)
      AND country = 'United Kingdom'
      -- TRIM costs a microsecond, and hardly any of a million users needs it.
      AND (REGEXP_CONTAINS(user_pseudo_id, r'^[0-9A-Za-z]') OR TRIM(user_pseudo_id) != '')
      AND REGEXP_CONTAINS(item_id, r'^[0-9]+$')
  ),
  purchases AS (
    SELECT event_timestamp, user_pseudo_id, transaction_id, item_id, price, quantity
    FROM window_items
    WHERE event_name = 'purchase' AND TRIM(transaction_id) != ''
  ),
  list_positions AS (
    SELECT item_list_index, IF(listed_at = 200, 4, listed_at) AS position
    FROM (
      SELECT
        item_list_index,
        SAFE_CAST(REGEXP_EXTRACT(item_list_index, r'^\s*([+-]?[0-9]+)(?:\.0*)?\s*$') AS INT64) AS listed_at
      FROM (SELECT DISTINCT item_list_index FROM window_items WHERE event_name = 'view_item_list')
    )
  ),
  views AS (
    SELECT
      london_date, event_timestamp, user_pseudo_id, item_id, position, item_name, item_brand, item_variant,
      item_category5, item_category6, item_category8
    FROM window_items LEFT JOIN list_positions USING (item_list_index)
    WHERE
      event_name = 'view_item_list'
      -- `carmanufacturer` is refused as a `manufacturer`.
      AND NOT COALESCE(
        REGEXP_CONTAINS(
          LOWER(page_location),
          r'fitfast|truck|manufacturer|seasonal|runflat|reinforced|loadratings|speedratings|staging|inforgen'
        ),
        FALSE
      )
    QUALIFY
      ROW_NUMBER() OVER (
        PARTITION BY user_pseudo_id, item_id, event_timestamp
        ORDER BY
          position NULLS LAST,
          item_category8 NULLS LAST, item_category5 NULLS LAST, item_category6 NULLS LAST,
          item_brand NULLS LAST, item_name NULLS LAST, item_variant NULLS LAST
      ) = 1
  ),
  -- Rules and folds are applied to distinct texts: each comes in many views.
  journeys AS (
    SELECT code, is_size_search, journey_category
    FROM (
      SELECT DISTINCT
        COALESCE(item_category8, '') AS code,
        COALESCE(UPPER(TRIM(item_category5)) = 'NO VRM SEARCH', FALSE) AS is_size_search
      FROM (SELECT DISTINCT item_category8, item_category5 FROM views)
    )
    JOIN journey_rules ON
      UPPER(TRIM(code)) LIKE code_like AND IF(is_size_search, 'NO VRM SEARCH', '') LIKE vehicle_like
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY code, is_size_search ORDER BY rule) = 1
  ),
  mapped_vehicles AS (
    SELECT vehicle_key, Segment, Pod, Category
    FROM (
      SELECT
        vehicle, CarMake, CarModel, Pod, Category, Segment,
        REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key
      FROM `AIM.aim-vehiclemapping`
    )
    WHERE vehicle_key != ''
    QUALIFY
      ROW_NUMBER() OVER (
        PARTITION BY vehicle_key
        ORDER BY
          vehicle, CarMake NULLS LAST, CarModel NULLS LAST, Pod NULLS LAST, Category NULLS LAST,
          Segment NULLS LAST
      ) = 1
  ),
  vehicles AS (
    SELECT
      item_category5,
      NULLIF(UPPER(TRIM(item_category5)), '') AS Vehicle,
      COALESCE(UPPER(TRIM(item_category5)) = 'NO VRM SEARCH', FALSE) AS is_size_search,
      Segment, Pod, Category
    FROM (
      SELECT
        item_category5,
        REGEXP_REPLACE(
          UPPER(REPLACE(NORMALIZE(item_category5, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', ''
        ) AS vehicle_key
      FROM (SELECT DISTINCT COALESCE(item_category5, '') AS item_category5 FROM views)
    )
    LEFT JOIN mapped_vehicles USING (vehicle_key)
  ),
  sizes AS (
    SELECT item_category6, NULLIF(TRIM(item_category6), '') AS Size
    FROM (SELECT DISTINCT COALESCE(item_category6, '') AS item_category6 FROM views)
  ),
  landed_views AS (
    SELECT
      london_date, event_timestamp, user_pseudo_id, item_id, position, journey_category,
      Vehicle, Size, item_brand, item_name, item_variant,
      Segment, Pod, Category,
      ROW_NUMBER() OVER (
        PARTITION BY user_pseudo_id, london_date
        ORDER BY event_timestamp, position NULLS LAST, item_id
      ) = 1 AS is_first_of_date,
      ROW_NUMBER() OVER (
        PARTITION BY user_pseudo_id, london_date, journey_category
        ORDER BY event_timestamp, position NULLS LAST, item_id
      ) = 1 AS is_first_of_journey
    FROM views
    JOIN vehicles ON vehicles.item_category5 = COALESCE(views.item_category5, '')
    JOIN sizes ON sizes.item_category6 = COALESCE(views.item_category6, '')
    JOIN journeys ON
      journeys.code = COALESCE(views.item_category8, '')
      AND journeys.is_size_search = vehicles.is_size_search
  ),
  -- Views of products that their user bought, and purchases, on one line of time: joining the two would grow
  -- with their product. At one moment a view comes first, for the default frame holds all rows of the moment.
  attributed_purchases AS (
    SELECT user_pseudo_id, item_id, viewed_at, transaction_id, price, quantity
    FROM (
      SELECT
        user_pseudo_id, item_id, is_purchase, transaction_id, price, quantity,
        MAX(view_timestamp) OVER (PARTITION BY user_pseudo_id, item_id ORDER BY event_timestamp) AS viewed_at
      FROM (
        SELECT
          event_timestamp, user_pseudo_id, item_id, TRUE AS is_purchase,
          CAST(NULL AS INT64) AS view_timestamp, transaction_id, price, quantity
        FROM purchases
        UNION ALL
        SELECT event_timestamp, user_pseudo_id, item_id, FALSE, event_timestamp, NULL, NULL, NULL
        FROM views
        JOIN (SELECT DISTINCT user_pseudo_id, item_id FROM purchases) USING (user_pseudo_id, item_id)
      )
    )
    WHERE is_purchase AND viewed_at IS NOT NULL
  ),
  -- One row per view, and one more per item bought after it. The first row of a transaction and that of a
  -- buyer are found among the bought items: COUNT(DISTINCT) would look for them among all views, 2 s more.
  facts AS (
    SELECT
      london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant, item_id,
      Segment, Pod, Category, is_first_of_date, is_first_of_journey,
      FALSE AS is_first_of_transaction, FALSE AS is_first_of_buyer,
      0 AS units, CAST(0 AS NUMERIC) AS revenue
    FROM landed_views
    UNION ALL
    SELECT
      london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant, item_id,
      Segment, Pod, Category, FALSE, FALSE,
      ROW_NUMBER() OVER (
        PARTITION BY
          london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant,
          item_id, Segment, Pod, Category, transaction_id
      ) = 1,
      ROW_NUMBER() OVER (
        PARTITION BY
          london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant,
          item_id, Segment, Pod, Category, user_pseudo_id
      ) = 1,
      COALESCE(quantity, 1), COALESCE(SAFE_CAST(price AS NUMERIC), 0) * COALESCE(quantity, 1)
    FROM attributed_purchases
    JOIN landed_views USING (user_pseudo_id, item_id)
    WHERE landed_views.event_timestamp = viewed_at
  ),
  slots AS (
    SELECT
      london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant, item_id,
      Segment, Pod, Category,
      COUNTIF(is_first_of_date) AS TotalUsers,
      COUNTIF(is_first_of_transaction) AS Orders,
      COUNTIF(is_first_of_buyer) AS Purchasers,
      SUM(units) AS PurchasedUnits,
      CAST(ROUND(SUM(revenue), 2) AS FLOAT64) AS PurchasedRevenue,
      COUNTIF(is_first_of_journey) AS UsersUniqueDayJourney
    FROM facts
    GROUP BY
      london_date, journey_category, Vehicle, Size, position, item_brand, item_name, item_variant, item_id,
      Segment, Pod, Category
  ),
  -- The pairs by ORDINAL, from 1: a computed OFFSET is one too low on the embedded warehouse.
  masked_dates AS (
    SELECT DISTINCT masked_date
    FROM
      UNNEST(GENERATE_ARRAY(1, ARRAY_LENGTH(@masked_from))) AS pair
      CROSS JOIN UNNEST(
        GENERATE_DATE_ARRAY(
          DATE_SUB(@run_date, INTERVAL 21 DAY), DATE_SUB(@run_date, INTERVAL 1 DAY), INTERVAL 1 DAY
        )
      ) AS masked_date
    WHERE masked_date BETWEEN @masked_from[ORDINAL(pair)] AND @masked_to[ORDINAL(pair)]
  )
SELECT
  london_date,
  journey_category,
  Vehicle,
  Size,
  position,
  CASE
    WHEN position BETWEEN 1 AND 4 THEN CONCAT('Hotbox ', CAST(position AS STRING))
    WHEN position = 99 THEN 'BrandSelector'
    ELSE 'Waves'
  END,
  item_brand,
  item_name,
  item_variant,
  item_id,
  IF(masked_date IS NULL, TotalUsers, NULL),
  Segment,
  Pod,
  Category,
  IF(masked_date IS NULL, Orders, NULL),
  IF(masked_date IS NULL, Purchasers, NULL),
  IF(masked_date IS NULL, PurchasedUnits, NULL),
  IF(masked_date IS NULL, PurchasedRevenue, NULL),
  IF(masked_date IS NULL, UsersUniqueDayJourney, NULL)
FROM slots LEFT JOIN masked_dates ON masked_date = london_date;
