-- +goose Up

-- The mirror: a copy of every Salesforce user that we can see. doc is the user
-- as read, hash its content. listed: the last full snapshot returned it.
-- visible: the last read of it succeeded. settled_policy: the rules under which
-- the sync found nothing more to do for this content; 0 since it changed.
CREATE TABLE crm_users (
    org_id         BIGINT   NOT NULL REFERENCES orgs (id),
    id             {{.Text}} NOT NULL,
    seq            BIGINT   NOT NULL,
    username_key   {{.Text}} NOT NULL DEFAULT '',
    email_key      {{.Text}} NOT NULL DEFAULT '',
    name           {{.Text}} NOT NULL DEFAULT '',
    is_active      BOOLEAN  NOT NULL DEFAULT FALSE,
    is_frozen      BOOLEAN  NOT NULL DEFAULT FALSE,
    listed         BOOLEAN  NOT NULL DEFAULT FALSE,
    visible        BOOLEAN  NOT NULL DEFAULT TRUE,
    modstamp       BIGINT   NOT NULL DEFAULT 0,
    created        BIGINT   NOT NULL DEFAULT 0,
    read_at        BIGINT   NOT NULL DEFAULT 0,
    hash           BIGINT   NOT NULL DEFAULT 0,
    settled_policy BIGINT   NOT NULL DEFAULT 0,
    doc            {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, id)
);
-- Who shares an address is seen in the index alone.
CREATE INDEX crm_users_email ON crm_users (org_id, email_key, is_active, visible) WHERE email_key <> '';
CREATE INDEX crm_users_username ON crm_users (org_id, username_key);
-- SQLite prefers these to a wider index for their second column.
CREATE INDEX crm_users_frozen ON crm_users (org_id, is_frozen, id) WHERE is_frozen = TRUE;
CREATE INDEX crm_users_unlisted ON crm_users (org_id, listed, id) WHERE listed = FALSE;
CREATE INDEX crm_users_settled ON crm_users (org_id, settled_policy, id);
{{- if not .Postgres}}
-- All that comparing a page needs, so that the documents need not be passed over.
CREATE INDEX crm_users_marks ON crm_users (org_id, id, seq, hash, modstamp, is_frozen, listed, visible);
{{- end}}
-- Dialer users whom somebody else wrote since the sync found them in order have 0.
CREATE INDEX dialer_users_settled ON dialer_users (org_id, settled_policy, salesforce_id)
    WHERE status <> 'deleted' AND salesforce_id <> '';

-- The journal of runs. What each run changed stands in activity.
CREATE TABLE runs (
    id        {{.Serial}},
    org_id    BIGINT   NOT NULL REFERENCES orgs (id),
    kind      {{.Text}} NOT NULL,
    outcome   {{.Text}} NOT NULL,
    started   BIGINT   NOT NULL,
    finished  BIGINT   NOT NULL DEFAULT 0,
    doc       {{.Text}} NOT NULL
);
CREATE INDEX runs_org ON runs (org_id, id);
CREATE INDEX runs_open ON runs (org_id) WHERE outcome = 'running';

-- What waits for its time or its turn, a row a person.
CREATE TABLE pending (
    org_id        BIGINT   NOT NULL REFERENCES orgs (id),
    salesforce_id {{.Text}} NOT NULL,
    kind          {{.Text}} NOT NULL CHECK (kind IN ('dirty', 'retry', 'no_seat', 'enroll')),
    since         BIGINT   NOT NULL,
    next_at       BIGINT   NOT NULL DEFAULT 0,
    attempts      BIGINT   NOT NULL DEFAULT 0,
    source_hash   BIGINT   NOT NULL DEFAULT 0,
    detail        {{.Text}} NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, kind, salesforce_id)
);

-- Destructive changes that wait for a person.
CREATE TABLE held (
    org_id         BIGINT   NOT NULL REFERENCES orgs (id),
    salesforce_id  {{.Text}} NOT NULL,
    part           {{.Text}} NOT NULL CHECK (part IN ('leave', 'email')),
    user_id        {{.Text}} NOT NULL,
    change_key     {{.Text}} NOT NULL,
    verb           {{.Text}} NOT NULL,
    reason         {{.Text}} NOT NULL DEFAULT '',
    why            {{.Text}} NOT NULL,
    since          BIGINT   NOT NULL,
    approved_until BIGINT   NOT NULL DEFAULT 0,
    approved_by    {{.Text}} NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, salesforce_id, part)
);

CREATE TABLE attention (
    id        {{.Serial}},
    org_id    BIGINT   NOT NULL REFERENCES orgs (id),
    kind      {{.Text}} NOT NULL,
    subject   {{.Text}} NOT NULL,
    detail    {{.Text}} NOT NULL,
    since     BIGINT   NOT NULL,
    resolved  BIGINT   NOT NULL DEFAULT 0,
    resolver  {{.Text}} NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX attention_open ON attention (org_id, kind, subject) WHERE resolved = 0;

-- What one org's engine remembers: watermarks, the policy in force, pauses.
CREATE TABLE sync_state (
    org_id BIGINT   NOT NULL REFERENCES orgs (id),
    name   {{.Text}} NOT NULL,
    value  {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, name)
);

-- Our Salesforce calls, an hour a row, so that the count survives a restart.
CREATE TABLE api_calls (
    org_id BIGINT NOT NULL REFERENCES orgs (id),
    hour   BIGINT NOT NULL,
    calls  BIGINT NOT NULL,
    PRIMARY KEY (org_id, hour)
);

-- +goose Down
DROP INDEX dialer_users_settled;
DROP TABLE api_calls;
DROP TABLE sync_state;
DROP TABLE attention;
DROP TABLE held;
DROP TABLE pending;
DROP TABLE runs;
DROP TABLE crm_users;
