-- Rejected messages are listed and replayed in the order of their arrival, and the oldest of the largest senders go first
-- when there are too many: the index of 000001 on received_at alone serves neither.
DROP INDEX rejected_messages_received_at;
CREATE INDEX rejected_messages_arrival ON rejected_messages (received_at, batch_id, message_index);

COMMENT ON TABLE rejected_messages IS 'Acknowledged, and not stored as a reading: list and replay with "chargelift rejected". Codes time_out_of_window and unknown_value_name are kept for 30 days in a quota of their own; of the others the oldest go when there are too many.';
