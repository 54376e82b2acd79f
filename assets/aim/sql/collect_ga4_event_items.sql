-- The items that people saw in a list or bought, one row each, for the scores and the merchandising report:
-- as collect_event_items.sql, but from the daily tables of a GA4 export; `analytics.events_*` stands for
-- those of the installation. Needs @run_date. Leaves `AIM.aim_event_items` with the days that the run looks
-- at and nothing else: 112 days back and one ahead, by the event's own date or by the London date of its
-- timestamp. A date that is no YYYYMMDD is null, and so is that of a missing timestamp.
TRUNCATE TABLE `AIM.aim_event_items`;

INSERT INTO `AIM.aim_event_items` (
  event_name, event_date, london_date, event_timestamp, user_pseudo_id, country, page_location,
  transaction_id, item_id, item_name, item_brand, item_variant, item_list_index,
  item_category5, item_category6, item_category8, price, quantity
)
WITH
  events AS (
    SELECT
      event_name,
      IF(
        REGEXP_CONTAINS(event_date, r'^[0-9]{8}$'),
        SAFE_CAST(
          CONCAT(SUBSTR(event_date, 1, 4), '-', SUBSTR(event_date, 5, 2), '-', SUBSTR(event_date, 7, 2))
          AS DATE
        ),
        NULL
      ) AS event_date,
      -- Between the years 1 and 9999: beyond them there is no date, and the question is an error.
      IF(
        event_timestamp BETWEEN -62135500000000000 AND 253402200000000000,
        DATE(TIMESTAMP_MICROS(event_timestamp), 'Europe/London'),
        NULL
      ) AS london_date,
      event_timestamp,
      user_pseudo_id,
      geo.country AS country,
      (
        SELECT parameter.value.string_value
        FROM UNNEST(event_params) AS parameter WITH OFFSET AS place
        WHERE parameter.key = 'page_location'
        ORDER BY place
        LIMIT 1
      ) AS page_location,
      ecommerce.transaction_id AS transaction_id,
      items
    FROM `analytics.events_*`
    WHERE
      -- A day wider than the dates below; tables of other days cost nothing. `intraday_` ones are no dates.
      _TABLE_SUFFIX BETWEEN FORMAT_DATE('%Y%m%d', DATE_SUB(@run_date, INTERVAL 113 DAY))
        AND FORMAT_DATE('%Y%m%d', DATE_ADD(@run_date, INTERVAL 2 DAY))
      AND event_name IN ('view_item_list', 'purchase')
  )
SELECT
  event_name, event_date, london_date, event_timestamp, user_pseudo_id, country, page_location,
  transaction_id, item.item_id, item.item_name, item.item_brand, item.item_variant, item.item_list_index,
  item.item_category5, item.item_category6, item.item_category8, item.price, item.quantity
FROM events CROSS JOIN UNNEST(items) AS item
WHERE
  REGEXP_CONTAINS(item.item_id, r'^[0-9]+$')
  AND (
    event_date BETWEEN DATE_SUB(@run_date, INTERVAL 112 DAY) AND DATE_ADD(@run_date, INTERVAL 1 DAY)
    OR london_date BETWEEN DATE_SUB(@run_date, INTERVAL 112 DAY) AND DATE_ADD(@run_date, INTERVAL 1 DAY)
  );
