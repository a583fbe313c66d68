-- +goose Up

-- Whom change events named, and who was not read back since.
CREATE TABLE unread (
    org_id        BIGINT   NOT NULL REFERENCES orgs (id),
    salesforce_id {{.Text}} NOT NULL,
    since         BIGINT   NOT NULL,
    PRIMARY KEY (org_id, salesforce_id)
);

-- +goose Down
DROP TABLE unread;
