-- Removes the staged promotions of a load, and those that a load before @abandoned_before left behind.

DELETE FROM `dw_core.d_promotion_3_0_staged` WHERE load_id = @load_id OR staged_at < @abandoned_before;
