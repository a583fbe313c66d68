package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// pragmas of every connection. A writer takes its lock at BEGIN, so that two
// writers wait for each other rather than fail half way.
const (
	pragmas = "_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(5000)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(memory)" +
		"&_pragma=journal_size_limit(67108864)" // a first sync leaves no gigabyte of log behind
	writePragmas = pragmas + "&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)"
	readPragmas  = pragmas + "&_pragma=query_only(1)&_pragma=cache_size(-1000)" // the system caches the file too
)

func openSQLite(ctx context.Context, u *url.URL, o Options) (*DB, error) {
	path := u.Path
	if u.Host != "" || u.Opaque != "" || !filepath.IsAbs(path) || u.RawQuery != "" {
		return nil, hinted("open database", ErrURL, "write sqlite:///absolute/path/to/rosterd.db, with three slashes")
	}
	if err := createFile(path); err != nil {
		return nil, err
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	frugal()
	db := &DB{log: o.Log, retry: o.Retry, path: path}
	var err error
	if db.sql, err = sql.Open("sqlite", file+"?_txlock=immediate&"+writePragmas); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if db.reader, err = sql.Open("sqlite", file+"?"+readPragmas); err != nil {
		_ = db.sql.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.writers = slots(1)
	db.readers = slots(o.ReadConns)
	// The first write turns the file into WAL mode, which readers cannot do.
	err = db.Update(ctx, func(tx *Tx) error {
		var n int
		return tx.QueryRow(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n)
	})
	if err != nil {
		_ = db.Close()
		return nil, hintedErr("open "+path, err, "is it a SQLite database, and may this user write to it and to its directory?")
	}
	return db, nil
}

// createFile makes an empty file that only its owner can read; SQLite gives
// the -wal and -shm files beside it the same mode.
func createFile(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hintedErr("open database", err, "create the directory "+dir+", writable by the user that runs rosterd")
	case err != nil:
		return hintedErr("open database", err, "let the user that runs rosterd reach "+dir)
	case !info.IsDir():
		return hinted("open database", fmt.Errorf("%s is not a directory", dir), "name a file inside a directory")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return hintedErr("open database", err, "let the user that runs rosterd write "+path)
	}
	return f.Close()
}

// slots returns a pool of n connections that are not open yet.
func slots(n int) chan *conn {
	c := make(chan *conn, n)
	for range n {
		c <- nil
	}
	return c
}
