-- Empties `AIM.AIMData`. Run before publish_lists.sql, which fills it, in the same transaction: then lists of
-- CAMs that are no longer published go too, which publish_lists.sql alone keeps.
-- Leaves: no row.

DELETE FROM `AIM.AIMData` WHERE TRUE;
