-- One text for both databases: {{"{{.Text}}"}} and the like are rendered before it runs.
-- Times are microseconds since 1970 in UTC, 0 for never. Text that is not known
-- is empty, not NULL.

-- +goose Up

CREATE TABLE orgs (
    id         {{.Serial}},
    name       {{.Text}} NOT NULL UNIQUE CHECK (name <> ''),
    created_at BIGINT NOT NULL
);

CREATE TABLE dialer_users (
    org_id           BIGINT NOT NULL REFERENCES orgs (id),
    id               {{.Text}} NOT NULL,
    salesforce_id    {{.Text}} NOT NULL DEFAULT '' CHECK (salesforce_id = '' OR length(salesforce_id) = 18),
    username         {{.Text}} NOT NULL,
    username_key     {{.Text}} NOT NULL CHECK (username_key <> ''),
    email            {{.Text}} NOT NULL DEFAULT '',
    email_key        {{.Text}} NOT NULL DEFAULT '',
    email_claimed    BOOLEAN NOT NULL DEFAULT false,
    first_name       {{.Text}} NOT NULL DEFAULT '',
    last_name        {{.Text}} NOT NULL DEFAULT '',
    display_name     {{.Text}} NOT NULL DEFAULT '',
    title            {{.Text}} NOT NULL DEFAULT '',
    employee_number  {{.Text}} NOT NULL DEFAULT '',
    manager_id       {{.Text}} NOT NULL DEFAULT '',
    phone            {{.Text}} NOT NULL DEFAULT '',
    mobile           {{.Text}} NOT NULL DEFAULT '',
    extension        {{.Text}} NOT NULL DEFAULT '',
    timezone         {{.Text}} NOT NULL DEFAULT '',
    language         {{.Text}} NOT NULL DEFAULT '',
    system_role      {{.Text}} NOT NULL CHECK (system_role IN ('user', 'supervisor', 'admin')),
    settings         {{.Text}} NOT NULL DEFAULT '{}',
    search_key       {{.Text}} NOT NULL DEFAULT '',
    status           {{.Text}} NOT NULL CHECK (status IN ('active', 'inactive', 'deleted')),
    status_reason    {{.Text}} NOT NULL DEFAULT '',
    admin_hold       BOOLEAN NOT NULL DEFAULT false,
    protected        BOOLEAN NOT NULL DEFAULT false,
    deactivate_at    BIGINT NOT NULL DEFAULT 0,
    deactivate_why   {{.Text}} NOT NULL DEFAULT '',
    origin           {{.Text}} NOT NULL CHECK (origin IN ('salesforce', 'local', 'import')),
    match_method     {{.Text}} NOT NULL DEFAULT '',
    integration_info {{.Text}} NOT NULL DEFAULT '',
    version          BIGINT NOT NULL CHECK (version > 0),
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    deleted_at       BIGINT NOT NULL DEFAULT 0,
    settled_hash     BIGINT NOT NULL DEFAULT 0,
    settled_policy   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, id),
    CHECK (status <> 'active' OR status_reason = ''),
    CHECK ((status = 'deleted') = (deleted_at <> 0)),
    CHECK (deactivate_at = 0 OR status = 'active'),
    CHECK ((deactivate_at = 0) = (deactivate_why = '')),
    CHECK (NOT email_claimed OR (email_key <> '' AND status <> 'deleted')),
{{- if .Postgres}}
    CHECK (extension = '' OR extension ~ '^[0-9]{3,6}$')
{{- else}}
    CHECK (extension = '' OR (extension NOT GLOB '*[^0-9]*' AND length(extension) BETWEEN 3 AND 6))
{{- end}}
);

-- What a seat points at: only an active user can hold one.
CREATE UNIQUE INDEX dialer_users_status ON dialer_users (org_id, id, status);
CREATE UNIQUE INDEX dialer_users_salesforce_id ON dialer_users (org_id, salesforce_id)
    WHERE status <> 'deleted' AND salesforce_id <> '';
CREATE UNIQUE INDEX dialer_users_username ON dialer_users (org_id, username_key) WHERE status <> 'deleted';
-- Who leaves keeps the address only until somebody active needs it.
CREATE UNIQUE INDEX dialer_users_email ON dialer_users (org_id, email_key) WHERE email_claimed;
CREATE INDEX dialer_users_email_released ON dialer_users (org_id, email_key) WHERE NOT email_claimed AND email_key <> '';
-- An extension stays taken while its user is inactive.
CREATE UNIQUE INDEX dialer_users_extension ON dialer_users (org_id, extension)
    WHERE status <> 'deleted' AND extension <> '';
CREATE INDEX dialer_users_deleted ON dialer_users (org_id, id) WHERE status = 'deleted';
CREATE INDEX dialer_users_due ON dialer_users (org_id, deactivate_at) WHERE deactivate_at <> 0;

-- Groups of every kind: permission groups, roles, departments, tags and so on.
CREATE TABLE groups (
    id       {{.Serial}},
    org_id   BIGINT NOT NULL REFERENCES orgs (id),
    kind     {{.Text}} NOT NULL CHECK (kind <> ''),
    name     {{.Text}} NOT NULL CHECK (name <> ''),
    name_key {{.Text}} NOT NULL,
    settings {{.Text}} NOT NULL DEFAULT '{}',
    UNIQUE (org_id, kind, name),
    UNIQUE (org_id, kind, id)
);

CREATE TABLE memberships (
    org_id   BIGINT NOT NULL,
    user_id  {{.Text}} NOT NULL,
    group_id BIGINT NOT NULL,
    kind     {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, user_id, group_id),
    FOREIGN KEY (org_id, user_id) REFERENCES dialer_users (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, kind, group_id) REFERENCES groups (org_id, kind, id)
){{if not .Postgres}} WITHOUT ROWID{{end}};
CREATE INDEX memberships_group ON memberships (org_id, group_id, user_id);
CREATE UNIQUE INDEX memberships_single ON memberships (org_id, user_id, kind)
    WHERE kind IN ('permission_group', 'department', 'location');

-- assigned is counted by the triggers below, and never exceeds purchased by
-- adding a seat; purchased may be lowered beneath it.
CREATE TABLE license_types (
    org_id                   BIGINT NOT NULL REFERENCES orgs (id),
    type                     {{.Text}} NOT NULL CHECK (type <> ''),
    purchased                BIGINT NOT NULL CHECK (purchased >= 0),
    assigned                 BIGINT NOT NULL DEFAULT 0 CHECK (assigned >= 0),
    configured               BIGINT NOT NULL DEFAULT -1, -- what the configuration last said of purchased
    is_default               BOOLEAN NOT NULL DEFAULT false,
    requires_salesforce_user BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, type)
);

CREATE TABLE seats (
    org_id      BIGINT NOT NULL,
    user_id     {{.Text}} NOT NULL,
    type        {{.Text}} NOT NULL,
    status      {{.Text}} NOT NULL DEFAULT 'active' CHECK (status = 'active'),
    assigned_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, user_id, type),
    FOREIGN KEY (org_id, type) REFERENCES license_types (org_id, type),
    FOREIGN KEY (org_id, user_id, status) REFERENCES dialer_users (org_id, id, status)
){{if not .Postgres}} WITHOUT ROWID{{end}};
CREATE INDEX seats_type ON seats (org_id, type, user_id);

CREATE TABLE seat_history (
    org_id      BIGINT NOT NULL REFERENCES orgs (id),
    user_id     {{.Text}} NOT NULL,
    type        {{.Text}} NOT NULL,
    assigned_at BIGINT NOT NULL,
    released_at BIGINT NOT NULL
);
CREATE INDEX seat_history_user ON seat_history (org_id, user_id);

CREATE TABLE sessions (
    id           {{.Text}} PRIMARY KEY,
    org_id       BIGINT NOT NULL,
    user_id      {{.Text}} NOT NULL,
    client       {{.Text}} NOT NULL,
    ip           {{.Text}} NOT NULL DEFAULT '',
    started_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL DEFAULT 0,
    end_reason   {{.Text}} NOT NULL DEFAULT '',
    CHECK ((ended_at = 0) = (end_reason = '')),
    FOREIGN KEY (org_id, user_id) REFERENCES dialer_users (org_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_user ON sessions (org_id, user_id, started_at);
CREATE INDEX sessions_open ON sessions (org_id, user_id) WHERE ended_at = 0;

-- The audit trail. It is only ever added to. The user may be gone from every
-- other table, so there is no foreign key to one.
CREATE TABLE activity (
    seq           {{.Serial}},
    org_id        BIGINT NOT NULL REFERENCES orgs (id),
    at            BIGINT NOT NULL,
    actor_kind    {{.Text}} NOT NULL,
    actor         {{.Text}} NOT NULL DEFAULT '',
    user_id       {{.Text}} NOT NULL DEFAULT '',
    salesforce_id {{.Text}} NOT NULL DEFAULT '',
    verb          {{.Text}} NOT NULL,
    reason        {{.Text}} NOT NULL DEFAULT '',
    note          {{.Text}} NOT NULL DEFAULT '',
    before        {{.Text}} NOT NULL DEFAULT '{}',
    after         {{.Text}} NOT NULL DEFAULT '{}',
    run_id        {{.Text}} NOT NULL DEFAULT ''
);
CREATE INDEX activity_user ON activity (org_id, user_id, seq);
CREATE INDEX activity_verb ON activity (org_id, verb, at);

{{- if .Postgres}}

-- +goose StatementBegin
CREATE FUNCTION seats_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    short TEXT;
BEGIN
    -- One order of locks for everybody.
    PERFORM 1 FROM license_types l
        WHERE (l.org_id, l.type) IN (SELECT a.org_id, a.type FROM added a) ORDER BY l.org_id, l.type FOR UPDATE;
    UPDATE license_types l SET assigned = l.assigned + a.n
        FROM (SELECT org_id, type, count(*) AS n FROM added GROUP BY org_id, type) a
        WHERE l.org_id = a.org_id AND l.type = a.type;
    SELECT l.type INTO short FROM license_types l
        WHERE l.assigned > l.purchased AND (l.org_id, l.type) IN (SELECT a.org_id, a.type FROM added a) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no seat is left: %', short;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER seats_added AFTER INSERT ON seats REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION seats_added();

-- +goose StatementBegin
CREATE FUNCTION seats_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM license_types l
        WHERE (l.org_id, l.type) IN (SELECT r.org_id, r.type FROM released r) ORDER BY l.org_id, l.type FOR UPDATE;
    UPDATE license_types l SET assigned = l.assigned - r.n
        FROM (SELECT org_id, type, count(*) AS n FROM released GROUP BY org_id, type) r
        WHERE l.org_id = r.org_id AND l.type = r.type;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER seats_released AFTER DELETE ON seats REFERENCING OLD TABLE AS released
    FOR EACH STATEMENT EXECUTE FUNCTION seats_released();

-- +goose StatementBegin
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME;
END $$;
-- +goose StatementEnd
CREATE TRIGGER seats_fixed BEFORE UPDATE ON seats FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER activity_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON activity FOR EACH STATEMENT EXECUTE FUNCTION refuse();

{{- else}}

-- +goose StatementBegin
CREATE TRIGGER seats_added AFTER INSERT ON seats BEGIN
    UPDATE license_types SET assigned = assigned + 1 WHERE org_id = NEW.org_id AND type = NEW.type;
    SELECT RAISE(ABORT, 'no seat is left') FROM license_types
        WHERE org_id = NEW.org_id AND type = NEW.type AND assigned > purchased;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER seats_released AFTER DELETE ON seats BEGIN
    UPDATE license_types SET assigned = assigned - 1 WHERE org_id = OLD.org_id AND type = OLD.type;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER seats_fixed BEFORE UPDATE ON seats BEGIN
    SELECT RAISE(ABORT, 'seats is only added to');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER activity_fixed BEFORE UPDATE ON activity BEGIN
    SELECT RAISE(ABORT, 'activity is only added to');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER activity_kept BEFORE DELETE ON activity BEGIN
    SELECT RAISE(ABORT, 'activity is only added to');
END;
-- +goose StatementEnd

{{- end}}
