package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(ctx context.Context, databaseURL string, o Options) (*DB, error) {
	conf, err := pgxpool.ParseConfig(databaseURL)
	if err != nil { // its text may hold a piece of the password
		return nil, hinted("open database", ErrURL, "write postgres://user@host:5432/name?sslmode=verify-full")
	}
	conf.MaxConns = int32(min(o.Conns, 1000))
	conf.ConnConfig.RuntimeParams["application_name"] = "rosterd"
	conf.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if conf.ConnConfig.ConnectTimeout == 0 {
		conf.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	// A transaction of a machine that vanished ends within a minute, and not
	// with the two hours after which TCP asks by itself.
	conf.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{log: o.Log, retry: o.Retry, pool: pool, sql: stdlib.OpenDBFromPool(pool)}
	if err := db.await(ctx, o.Wait); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// await waits until Postgres answers, and looks whether it can hold our text.
func (db *DB) await(ctx context.Context, patience time.Duration) error {
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(patience))
	var encoding string
	waited := false
	err := backoff.Retry(func() error {
		err := db.pool.QueryRow(ctx, "SHOW server_encoding").Scan(&encoding)
		if err != nil && (ctx.Err() != nil || !unreachable(err)) {
			return backoff.Permanent(err)
		}
		if err != nil && !waited {
			waited = true
			db.log.Info("waiting for the database", "err", err)
		}
		return err
	}, backoff.WithContext(b, ctx))
	switch {
	case err != nil && unreachable(err):
		return hintedErr("open database", errors.Join(ErrUnavailable, err), "is Postgres running, and is its address right?")
	case err != nil:
		return hintedErr("open database", err, "check the user, the password and the name of the database")
	case encoding != "UTF8":
		return hinted("open database", fmt.Errorf("its encoding is %s", encoding),
			"create the database with ENCODING 'UTF8' TEMPLATE template0")
	}
	return nil
}

// pgx runs fn on the Postgres connection beneath c.
func (c *conn) pgx(fn func(*pgx.Conn) error) error {
	return c.Raw(func(dc any) error { return fn(dc.(*stdlib.Conn).Conn()) })
}

const (
	// analyzeFrom is how many rows a table must have grown by before it is worth
	// telling Postgres.
	analyzeFrom = 2000
	// analyzeSQL looks at 300 rows for each of the target's 10, not at 30,000:
	// that is enough to see that keys differ from row to row, which is what
	// decides between an index and the whole table.
	analyzeSQL = "BEGIN; SET LOCAL default_statistics_target = 10; ANALYZE %s; COMMIT"
)

// growth is how much was loaded into a table since Postgres last counted it on
// our behalf, and how much until then.
type growth struct{ since, counted int64 }

// grew notes that rows were loaded, and has Postgres count the tables that have
// grown fourfold: autovacuum comes a minute later, and until then every list of keys
// would be looked up as if the table were empty, by reading all of it.
func (db *DB) grew(ctx context.Context, loaded map[string]int64) {
	for table, n := range loaded {
		db.mu.Lock()
		g := db.growth[table]
		g.since += n
		due := g.since >= max(analyzeFrom, 3*g.counted)
		if due {
			g = growth{counted: g.counted + g.since}
		}
		if db.growth == nil {
			db.growth = make(map[string]growth)
		}
		db.growth[table] = g
		db.mu.Unlock()
		if !due {
			continue
		}
		if err := db.analyze(ctx, table); err != nil {
			db.log.Debug("table not analyzed", "err", err) // autovacuum will
		}
	}
}

func (db *DB) analyze(ctx context.Context, table string) error {
	_, err := db.pool.Exec(ctx, fmt.Sprintf(analyzeSQL, pgx.Identifier{table}.Sanitize()), pgx.QueryExecModeSimpleProtocol)
	return err // pgxpool destroys a connection that is left in a failed transaction
}
