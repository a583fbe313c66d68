-- +goose Up

-- The kinds of message are the program's to know.
{{- if .Postgres}}
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
{{- else}}
CREATE TABLE outbox_any (
    id         {{.Serial}},
    org_id     BIGINT NOT NULL REFERENCES orgs (id),
    kind       {{.Text}} NOT NULL,
    key        {{.Text}} NOT NULL,
    user_id    {{.Text}} NOT NULL,
    payload    {{.Text}} NOT NULL,
    state      {{.Text}} NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    next_at    BIGINT NOT NULL DEFAULT 0,
    settled_at BIGINT NOT NULL DEFAULT 0,
    last_error {{.Text}} NOT NULL DEFAULT '',
    UNIQUE (org_id, key)
);
INSERT INTO outbox_any SELECT id, org_id, kind, key, user_id, payload, state, attempts, created_at, next_at, settled_at, last_error FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_any RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (org_id, kind, next_at) WHERE state = 'pending';
CREATE INDEX outbox_user ON outbox (org_id, user_id);
{{- end}}

-- How a person settled an attention item, and why. What is ignored is not
-- opened again while neither its text nor its Salesforce user has changed;
-- source is the hash of the latter.
ALTER TABLE attention ADD COLUMN how {{.Text}} NOT NULL DEFAULT '';
ALTER TABLE attention ADD COLUMN note {{.Text}} NOT NULL DEFAULT '';
ALTER TABLE attention ADD COLUMN source BIGINT NOT NULL DEFAULT 0;
CREATE INDEX attention_ignored ON attention (org_id, kind, subject) WHERE how = 'ignored';

-- Whether seats of the type come with the CTI in Salesforce, which a screen pop
-- needs.
ALTER TABLE license_types ADD COLUMN salesforce_cti BOOLEAN NOT NULL DEFAULT true;

-- +goose Down
ALTER TABLE license_types DROP COLUMN salesforce_cti;
DROP INDEX attention_ignored;
ALTER TABLE attention DROP COLUMN source;
ALTER TABLE attention DROP COLUMN note;
ALTER TABLE attention DROP COLUMN how;
