-- +goose Up

-- Users by name, a page at a time.
CREATE INDEX dialer_users_name ON dialer_users (org_id, last_name, id) WHERE status <> 'deleted';
