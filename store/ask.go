package store

import (
	"context"
	"errors"
)

// errAsk is a programmer's mistake.
var errAsk = errors.New("ask: more than one question, or no question at all")

// Ask is Read for a single query, which sees one state of the database by
// itself: on Postgres it spares the two round trips that begin and end a
// transaction. A second query, or a statement, is refused.
func (db *DB) Ask(ctx context.Context, fn func(tx *Tx) error) error {
	return db.retried(ctx, func() ([]func(), error) { return db.askOnce(ctx, fn) })
}

func (db *DB) askOnce(ctx context.Context, fn func(tx *Tx) error) (after []func(), err error) {
	c, err := db.take(ctx, false)
	if err != nil {
		return nil, classify(err)
	}
	broken := true
	defer func() { db.give(c, false, broken) }()
	tx := &Tx{c: c, pg: db.Postgres(), question: free}
	if err := fn(tx); err != nil {
		return nil, classify(err)
	}
	broken = false
	return tx.after, tx.err
}

// question says what an Ask may still ask. The zero value is that of a
// transaction, which may anything.
type question uint8

const (
	free  question = iota + 1 // one query
	spent                     // nothing
)

// asks notes that a query is about to run.
func (tx *Tx) asks() {
	switch {
	case tx.question == free:
		tx.question = spent
	case tx.question == spent && tx.err == nil:
		tx.err = errAsk
	}
}
