-- +goose Up

ALTER TABLE dialer_users ADD COLUMN virtual_extension {{.Text}} NOT NULL DEFAULT '';
ALTER TABLE dialer_users ADD COLUMN is_superuser BOOLEAN NOT NULL DEFAULT false;

-- One numbering space holds extensions and virtual extensions; across the two,
-- whoever writes looks, under the lock of the directory.
CREATE UNIQUE INDEX dialer_users_virtual_extension ON dialer_users (org_id, virtual_extension)
    WHERE status <> 'deleted' AND virtual_extension <> '';
-- A number that somebody left behind rests for a while.
CREATE INDEX dialer_users_extension_resting ON dialer_users (org_id, extension)
    WHERE status = 'deleted' AND extension <> '';
CREATE INDEX dialer_users_virtual_resting ON dialer_users (org_id, virtual_extension)
    WHERE status = 'deleted' AND virtual_extension <> '';
-- Who administers, of whom the last must stay.
CREATE INDEX dialer_users_admins ON dialer_users (org_id, id)
    WHERE status = 'active' AND (system_role = 'admin' OR is_superuser);

-- What an org is entitled to, and its defaults; each value is JSON.
CREATE TABLE org_settings (
    org_id BIGINT NOT NULL REFERENCES orgs (id),
    key    {{.Text}} NOT NULL CHECK (key <> ''),
    value  {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, key)
);

-- The telephone numbers that an org has. A user has at most one of their own.
CREATE TABLE phone_numbers (
    org_id     BIGINT NOT NULL REFERENCES orgs (id),
    number     {{.Text}} NOT NULL CHECK (number <> ''),
    kind       {{.Text}} NOT NULL CHECK (kind IN ('location', 'personal')),
    location   {{.Text}} NOT NULL DEFAULT '',
    note       {{.Text}} NOT NULL DEFAULT '',
    user_id    {{.Text}} NOT NULL DEFAULT '', -- empty: available
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, number)
);
CREATE UNIQUE INDEX phone_numbers_user ON phone_numbers (org_id, user_id) WHERE user_id <> '';

-- Secrets of users, sealed. In the user stands only the mark.
CREATE TABLE user_secrets (
    org_id  BIGINT NOT NULL,
    user_id {{.Text}} NOT NULL,
    field   {{.Text}} NOT NULL,
    mark    {{.Text}} NOT NULL,
    sealed  {{.Text}} NOT NULL,
    PRIMARY KEY (org_id, user_id, field),
    FOREIGN KEY (org_id, user_id) REFERENCES dialer_users (org_id, id) ON DELETE CASCADE
);
