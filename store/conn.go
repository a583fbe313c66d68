package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxStatements bounds the prepared statements that one SQLite connection
// keeps. SQL here is written, not generated, so that the bound is a safety net:
// when it is reached, all are forgotten.
const maxStatements = 512

// conn is one connection with its prepared statements. Preparing costs SQLite
// more than a simple statement takes to run. On Postgres pgx does the same by
// itself, and stmts is nil.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

// stmt returns the prepared statement of query.
func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

// forget closes every prepared statement.
func (c *conn) forget() {
	for query, s := range c.stmts {
		_ = s.Close()
		delete(c.stmts, query)
	}
}

func (c *conn) close() error {
	c.forget()
	return c.Conn.Close()
}

// take waits for a connection. give must be called with it.
func (db *DB) take(ctx context.Context, write bool) (*conn, error) {
	if db.Postgres() {
		c, err := db.sql.Conn(ctx)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
	slots, pool := db.readers, db.reader
	if write {
		slots, pool = db.writers, db.sql
	}
	var c *conn
	select {
	case c = <-slots:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a connection: %w", ctx.Err())
	}
	if c != nil {
		return c, nil
	}
	sc, err := pool.Conn(ctx)
	if err != nil {
		slots <- nil
		return nil, err
	}
	return &conn{Conn: sc, stmts: make(map[string]*sql.Stmt)}, nil
}

// give hands a connection back; a broken one is closed and replaced later.
func (db *DB) give(c *conn, write, broken bool) {
	if db.Postgres() {
		_ = c.Conn.Close() // pgxpool destroys it if it is broken or mid-transaction
		return
	}
	if broken {
		err := c.close()
		if err != nil && !errors.Is(err, sql.ErrConnDone) {
			db.log.Debug("close connection", "err", err)
		}
		c = nil
	}
	if write {
		db.writers <- c
		return
	}
	db.readers <- c
}
