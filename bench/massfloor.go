package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// massChunk is how many users a transaction of the floor takes, as one of a
// mass action does.
const massChunk = 500

// update is the floor of a mass action: the rows that one writes, changed by
// bare statements that take 500 users at a time without looking at any of them:
// the user, the entry in the log, and what came of it.
func update(ctx context.Context, args []string) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("update takes the URL of a database")
	}
	driver, url := "pgx", args[0]
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, url = "sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=foreign_keys(1)&_pragma=cache_size(-8000)&_txlock=immediate"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	var total int
	if err := db.QueryRowContext(ctx, "SELECT total FROM mass_actions WHERE id = 1").Scan(&total); err != nil {
		return nil, fmt.Errorf("find the first mass action: %w", err)
	}
	return timed(func() (changed int, err error) {
		for from := 1; from <= total; from += massChunk {
			n, err := updateChunk(ctx, db, from)
			if err != nil {
				return changed, fmt.Errorf("change users by bare statements: %w", err)
			}
			changed += n
		}
		return changed, nil
	})
}

func updateChunk(ctx context.Context, db *sql.DB, from int) (int, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	some := fmt.Sprintf("action_id = 1 AND seq >= %d AND seq < %d", from, from+massChunk)
	result, err := tx.ExecContext(ctx, `UPDATE dialer_users SET settings = replace(settings, '42', '44'), version = version + 1, updated_at = updated_at + 1, settled_hash = 0
		WHERE org_id = 1 AND id IN (SELECT user_id FROM mass_items WHERE `+some+")")
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO activity (org_id, at, actor_kind, actor, user_id, salesforce_id, verb, note, before, after, run_id)
			SELECT 1, u.updated_at, 'admin', 'floor', u.id, u.salesforce_id, 'update', 'benchmark', '{"ring_timeout_seconds":42}', '{"ring_timeout_seconds":44}', 'mass-0'
			FROM mass_items i JOIN dialer_users u ON u.org_id = 1 AND u.id = i.user_id WHERE `+some)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE mass_items SET outcome = 'changed', was = '[42,44]' WHERE "+some)
	}
	if err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	n, err := result.RowsAffected()
	return int(n), errors.Join(err, tx.Commit())
}
