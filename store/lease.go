package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lease is the right to be the only one who does something to this database.
// It ends when it is released, and by itself when its holder dies: SQLite's is
// a lock on a file, Postgres's belongs to a connection of its own.
type Lease struct {
	lost    chan struct{}
	once    sync.Once
	release func()
}

// Lost is closed when the lease was lost or released.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release gives the lease back and waits until it is. It may be called more
// than once.
func (l *Lease) Release() { l.once.Do(l.release) }

// leaseCheck is how often the holder makes sure that its connection stands.
const leaseCheck = 2 * time.Second

// Lease takes the lease of a name, or reports that another program has it.
func (db *DB) Lease(ctx context.Context, name string) (*Lease, bool, error) {
	if db.Postgres() {
		return db.leasePostgres(ctx, name)
	}
	f, err := os.OpenFile(db.path+"."+name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("take the lease: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("take the lease: %w", err)
	}
	l := &Lease{lost: make(chan struct{})}
	l.release = func() {
		_ = f.Close() // closing unlocks
		close(l.lost)
	}
	return l, true, nil
}

func (db *DB) leasePostgres(ctx context.Context, name string) (*Lease, bool, error) {
	c, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig.Copy())
	if err != nil {
		return nil, false, fmt.Errorf("take the lease: %w", classify(err))
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte("rosterd/" + name))
	var got bool
	if err := c.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(h.Sum64())).Scan(&got); err != nil || !got {
		_ = c.Close(context.WithoutCancel(ctx))
		if err != nil {
			return nil, false, fmt.Errorf("take the lease: %w", classify(err))
		}
		return nil, false, nil
	}
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lease{lost: make(chan struct{})}
	l.release = func() { cancel(); <-l.lost }
	go func() { // ends with Release, or when the connection is gone
		defer close(l.lost)
		defer func() {
			ctx, done := context.WithTimeout(context.WithoutCancel(stop), leaseCheck)
			defer done()
			// Closing alone would leave the lock until the server notices, and
			// whoever starts next standing by until then.
			_, _ = c.Exec(ctx, "SELECT pg_advisory_unlock_all()")
			_ = c.Close(ctx)
		}()
		tick := time.NewTicker(leaseCheck)
		defer tick.Stop()
		for {
			select {
			case <-stop.Done():
				return
			case <-tick.C:
				check, done := context.WithTimeout(stop, 4*leaseCheck)
				err := c.Ping(check)
				done()
				if err != nil {
					return
				}
			}
		}
	}()
	return l, true, nil
}
