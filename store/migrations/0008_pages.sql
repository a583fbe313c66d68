-- +goose Up

-- What one run changed.
CREATE INDEX activity_run ON activity (org_id, run_id, seq) WHERE run_id <> '';
{{- if .Postgres}}

-- Salesforce users found without their documents, as on SQLite.
DROP INDEX crm_users_name;
CREATE INDEX crm_users_name ON crm_users (org_id, name, id) INCLUDE (is_active, username_key, email_key);
{{- end}}

-- +goose Down
DROP INDEX activity_run;
