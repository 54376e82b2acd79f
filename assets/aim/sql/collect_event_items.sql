-- What people saw and bought, for the scores and the merchandising report, from events in one table. Needs
-- @run_date. The views need three columns of 91 days and the report all columns of 21 days, so each statement
-- reads what it needs: rows that hold both would be eight times as many.
--
-- Leaves `AIM.aim_item_views` with how often each product was seen in a list with each vehicle, in events
-- whose own date lies from 90 days before the run date to the run date, for the scores; and
-- `AIM.aim_event_items` with one row per item that was seen in a list or bought in the 21 London dates before
-- the run date, for the merchandising report. Nothing else stays in either. An event_date that is no
-- YYYYMMDD is none of those dates, and nor is a missing timestamp. Items count whose item_id is all digits.
TRUNCATE TABLE `AIM.aim_item_views`;

INSERT INTO `AIM.aim_item_views` (item_id, item_category5, views)
WITH
  events AS (
    SELECT items
    FROM `analytics.events`
    WHERE
      event_name = 'view_item_list'
      AND event_date IN (
        SELECT FORMAT_DATE('%Y%m%d', day)
        FROM UNNEST(GENERATE_DATE_ARRAY(DATE_SUB(@run_date, INTERVAL 90 DAY), @run_date)) AS day
      )
  )
SELECT item.item_id, item.item_category5, COUNT(*)
FROM events CROSS JOIN UNNEST(items) AS item
WHERE REGEXP_CONTAINS(item.item_id, r'^[0-9]+$')
GROUP BY item.item_id, item.item_category5;

TRUNCATE TABLE `AIM.aim_event_items`;

INSERT INTO `AIM.aim_event_items` (
  event_name, london_date, event_timestamp, user_pseudo_id, country, page_location, transaction_id,
  item_id, item_name, item_brand, item_variant, item_list_index,
  item_category5, item_category6, item_category8, price, quantity
)
WITH
  events AS (
    SELECT
      event_name,
      DATE(TIMESTAMP_MICROS(event_timestamp), 'Europe/London') AS london_date,
      event_timestamp,
      user_pseudo_id,
      geo.country AS country,
      -- The first entry of that name. A subquery would cost 20 s; the text of all entries, read as JSON,
      -- costs 3 s and so is left to lists that have it behind the fourth place.
      CASE 'page_location'
        WHEN event_params[SAFE_OFFSET(0)].key THEN event_params[SAFE_OFFSET(0)].value.string_value
        WHEN event_params[SAFE_OFFSET(1)].key THEN event_params[SAFE_OFFSET(1)].value.string_value
        WHEN event_params[SAFE_OFFSET(2)].key THEN event_params[SAFE_OFFSET(2)].value.string_value
        WHEN event_params[SAFE_OFFSET(3)].key THEN event_params[SAFE_OFFSET(3)].value.string_value
        ELSE JSON_VALUE(
          REGEXP_EXTRACT(
            TO_JSON_STRING(event_params),
            r'"key":"page_location","value":(?:\{"string_value":)?("(?:[^"\\]|\\.)*"|null)'
          ),
          '$'
        )
      END AS page_location,
      ecommerce.transaction_id AS transaction_id,
      items
    FROM `analytics.events`
    WHERE
      event_name IN ('view_item_list', 'purchase')
      AND event_timestamp >= UNIX_MICROS(TIMESTAMP(DATE_SUB(@run_date, INTERVAL 21 DAY), 'Europe/London'))
      AND event_timestamp < UNIX_MICROS(TIMESTAMP(@run_date, 'Europe/London'))
  )
SELECT
  event_name, london_date, event_timestamp, user_pseudo_id, country, page_location, transaction_id,
  item.item_id, item.item_name, item.item_brand, item.item_variant, item.item_list_index,
  item.item_category5, item.item_category6, item.item_category8, item.price, item.quantity
FROM events CROSS JOIN UNNEST(items) AS item
WHERE REGEXP_CONTAINS(item.item_id, r'^[0-9]+$');
