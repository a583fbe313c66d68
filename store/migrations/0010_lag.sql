-- +goose Up

-- How long changes took, read from the index alone.
DROP INDEX activity_verb;
CREATE INDEX activity_verb ON activity (org_id, verb, at, source_at);

-- +goose Down
DROP INDEX activity_verb;
CREATE INDEX activity_verb ON activity (org_id, verb, at);
