-- +goose Up

-- Salesforce users by name, a page at a time, and found without their documents.
{{- if .Postgres}}
CREATE INDEX crm_users_name ON crm_users (org_id, name, id);
{{- else}}
CREATE INDEX crm_users_name ON crm_users (org_id, name, id, is_active, username_key, email_key);
{{- end}}

-- +goose Down
DROP INDEX crm_users_name;
