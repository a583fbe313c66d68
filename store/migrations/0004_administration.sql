-- Administration: how users sign in, acts on many users at once, and what other
-- systems must hear of.

-- +goose Up

-- token_hash is the SHA-256 of the token that proves the session; '' has none.
ALTER TABLE sessions ADD COLUMN token_hash {{.Text}} NOT NULL DEFAULT '';
CREATE UNIQUE INDEX sessions_token ON sessions (token_hash) WHERE token_hash <> '';
CREATE INDEX sessions_started ON sessions (org_id, started_at, id);
CREATE INDEX sessions_seen ON sessions (org_id, last_seen_at) WHERE ended_at = 0;

-- When the system that a change came from changed; 0 where that is not known.
ALTER TABLE activity ADD COLUMN source_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX activity_seq ON activity (org_id, verb, seq);

-- A row for whoever has a password, a second factor, or must have one.
CREATE TABLE credentials (
    org_id         BIGINT NOT NULL,
    user_id        {{.Text}} NOT NULL,
    password_hash  {{.Text}} NOT NULL DEFAULT '',    -- argon2id, with its parameters and salt
    must_change    BOOLEAN NOT NULL DEFAULT false,
    changed_at     BIGINT NOT NULL DEFAULT 0,
    factor         {{.Text}} NOT NULL DEFAULT 'none' CHECK (factor IN ('none', 'totp')),
    factor_secret  {{.Text}} NOT NULL DEFAULT '',    -- encrypted
    factor_at      BIGINT NOT NULL DEFAULT 0,
    factor_step    BIGINT NOT NULL DEFAULT 0,        -- the latest code used, which cannot be used again
    pending_secret {{.Text}} NOT NULL DEFAULT '',    -- encrypted; waits for its first code
    must_enroll    BOOLEAN NOT NULL DEFAULT false,
    failures       BIGINT NOT NULL DEFAULT 0,
    locked_until   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, user_id),
    FOREIGN KEY (org_id, user_id) REFERENCES dialer_users (org_id, id) ON DELETE CASCADE,
    CHECK ((factor = 'none') = (factor_secret = ''))
);

CREATE TABLE backup_codes (
    org_id  BIGINT NOT NULL,
    user_id {{.Text}} NOT NULL,
    hash    {{.Text}} NOT NULL,
    pending BOOLEAN NOT NULL,
    PRIMARY KEY (org_id, user_id, hash),
    FOREIGN KEY (org_id, user_id) REFERENCES credentials (org_id, user_id) ON DELETE CASCADE
);

-- Keys of an org that has no key file: what they encrypt is then as safe as the
-- database itself, and a copy of single tables gives nothing away.
CREATE TABLE secret_keys (
    org_id BIGINT NOT NULL REFERENCES orgs (id),
    name   {{.Text}} NOT NULL,
    value  {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, name)
);

-- next_seq is the first item that is not dealt with yet: it moves in the
-- transaction that deals with those before it.
CREATE TABLE mass_actions (
    id          {{.Serial}},
    org_id      BIGINT NOT NULL REFERENCES orgs (id),
    state       {{.Text}} NOT NULL CHECK (state IN ('preparing', 'previewed', 'running', 'done', 'canceled')),
    action      {{.Text}} NOT NULL,
    field       {{.Text}} NOT NULL DEFAULT '',
    value       {{.Text}} NOT NULL DEFAULT '',
    options     {{.Text}} NOT NULL DEFAULT '{}',
    scope       {{.Text}} NOT NULL,
    reason      {{.Text}} NOT NULL DEFAULT '',
    actor_kind  {{.Text}} NOT NULL,
    actor       {{.Text}} NOT NULL DEFAULT '',
    total       BIGINT NOT NULL DEFAULT 0,
    next_seq    BIGINT NOT NULL DEFAULT 1,
    preview     {{.Text}} NOT NULL DEFAULT '{}',
    done        {{.Text}} NOT NULL DEFAULT '{}',
    created_at  BIGINT NOT NULL,
    started_at  BIGINT NOT NULL DEFAULT 0,
    finished_at BIGINT NOT NULL DEFAULT 0,
    undo_until  BIGINT NOT NULL DEFAULT 0,
    undo_of     BIGINT NOT NULL DEFAULT 0,
    undone_by   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX mass_actions_org ON mass_actions (org_id, id);
CREATE INDEX mass_actions_open ON mass_actions (org_id, id) WHERE state = 'running';
CREATE INDEX mass_actions_undo ON mass_actions (org_id, undo_until) WHERE undo_until <> 0;

-- payload: for an import the attributes of the row, for undo what the user shall
-- have again. was: what the user had before.
CREATE TABLE mass_items (
    action_id BIGINT NOT NULL REFERENCES mass_actions (id) ON DELETE CASCADE,
    seq       BIGINT NOT NULL,
    line      BIGINT NOT NULL DEFAULT 0,
    user_id   {{.Text}} NOT NULL,
    payload   {{.Text}} NOT NULL DEFAULT '',
    expected  {{.Text}} NOT NULL DEFAULT '',
    outcome   {{.Text}} NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'created', 'changed', 'unchanged', 'refused')),
    detail    {{.Text}} NOT NULL DEFAULT '',
    was       {{.Text}} NOT NULL DEFAULT '',
    PRIMARY KEY (action_id, seq)
){{if not .Postgres}} WITHOUT ROWID{{end}};

-- Messages to other systems, written with what they are about and sent at least
-- once. key is the same each time.
CREATE TABLE outbox (
    id         {{.Serial}},
    org_id     BIGINT NOT NULL REFERENCES orgs (id),
    kind       {{.Text}} NOT NULL CHECK (kind IN ('leads_unassign', 'invitation')),
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
CREATE INDEX outbox_due ON outbox (org_id, kind, next_at) WHERE state = 'pending';
CREATE INDEX outbox_user ON outbox (org_id, user_id);

-- One row for each time that a user was invited. The token is not stored: it is
-- made of the row and a key.
CREATE TABLE invitations (
    org_id      BIGINT NOT NULL,
    user_id     {{.Text}} NOT NULL,
    epoch       BIGINT NOT NULL CHECK (epoch > 0),
    nonce       {{.Text}} NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    sent_at     BIGINT NOT NULL DEFAULT 0,
    accepted_at BIGINT NOT NULL DEFAULT 0,
    failed      BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, user_id, epoch),
    FOREIGN KEY (org_id, user_id) REFERENCES dialer_users (org_id, id) ON DELETE CASCADE
);
