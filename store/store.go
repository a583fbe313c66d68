// Package store puts SQLite and Postgres under one roof: opening, migrating,
// transactions that are retried when that is safe, and bulk loading. SQL is
// written once, with $1 placeholders; where the two databases must differ, the
// difference lives here. It knows nothing of users, of Salesforce or of sync:
// tables are described by the migrations, and read by the packages that own
// them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are the optional settings of Open. The zero value is right for a
// daemon.
type Options struct {
	Log       *slog.Logger  // nil discards
	ReadConns int           // SQLite: connections for reading; 0 means 4
	Conns     int           // Postgres: connections in all; 0 means 8
	Wait      time.Duration // how long Open waits for Postgres to come up; 0 means 15 s
	Retry     time.Duration // how long a transaction is retried; 0 means 15 s
}

// DB is an open database. It is safe for concurrent use. The owner calls Close.
type DB struct {
	log   *slog.Logger
	retry time.Duration

	sql  *sql.DB       // Postgres: all connections; SQLite: the writer
	pool *pgxpool.Pool // Postgres only

	mu     sync.Mutex
	growth map[string]growth // Postgres only, by table; guarded by mu

	path    string // SQLite only
	reader  *sql.DB
	writers chan *conn // SQLite: one slot; a nil conn is opened when taken
	readers chan *conn

	closing sync.Once
	closed  error // how it was closed
}

// Open opens the database that url names: sqlite:///absolute/path, a file that
// is created readable by its owner only, or postgres://user@host/name, which
// is waited for when it is just starting. It changes no schema; see Migrate.
func Open(ctx context.Context, databaseURL string, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ReadConns <= 0 {
		o.ReadConns = 4
	}
	if o.Conns <= 0 {
		o.Conns = 8
	}
	if o.Wait <= 0 {
		o.Wait = 15 * time.Second
	}
	if o.Retry <= 0 {
		o.Retry = 15 * time.Second
	}
	scheme, _, _ := strings.Cut(databaseURL, ":")
	u, err := url.Parse(databaseURL)
	switch scheme {
	case "sqlite":
		if err != nil {
			return nil, hinted("open database", ErrURL, "write sqlite:///absolute/path/to/rosterd.db")
		}
		return openSQLite(ctx, u, o)
	case "postgres", "postgresql":
		if err != nil { // its text may quote a piece of the password
			return nil, hinted("open database", ErrURL,
				"write postgres://user@host:5432/name, and percent-encode special characters of a password")
		}
		return openPostgres(ctx, databaseURL, o)
	}
	return nil, hinted("open database", ErrURL,
		"write sqlite:///absolute/path/to/rosterd.db or postgres://user@host/name")
}

// Postgres reports whether the database is Postgres; if not, it is SQLite.
func (db *DB) Postgres() bool { return db.pool != nil }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	err := db.Read(ctx, func(tx *Tx) error {
		var one int
		return tx.QueryRow(ctx, "SELECT 1").Scan(&one)
	})
	if err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close closes the database, waiting for the transactions under way. Once is
// enough.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closed = db.shut() })
	return db.closed
}

func (db *DB) shut() error {
	if db.Postgres() {
		err := db.sql.Close()
		db.pool.Close()
		return err
	}
	var errs []error
	for _, slots := range []chan *conn{db.readers, db.writers} {
		for range cap(slots) {
			if c := <-slots; c != nil {
				errs = append(errs, c.close())
			}
		}
	}
	return errors.Join(append(errs, db.reader.Close(), db.sql.Close())...)
}
