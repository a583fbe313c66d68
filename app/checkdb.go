package app

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/store"
)

// database looks at the database without changing it. It returns it open where
// it holds our schema, and nil where it does not yet or something is wrong.
func (c *checking) database(ctx context.Context, databaseURL string) *store.DB {
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		if u, err := url.Parse(databaseURL); err == nil {
			path = u.Path
		}
		if !c.file(path) {
			return nil
		}
	}
	db, err := store.Open(ctx, databaseURL, store.Options{Wait: 5 * time.Second, Retry: 5 * time.Second})
	if c.fault("database", err) {
		return nil
	}
	c.good("database", "answers")
	if c.schema(ctx, db) {
		return db
	}
	_ = db.Close()
	return nil
}

// file looks at a SQLite file before anyone opens it: opening one creates it,
// or turns it into a write-ahead database.
func (c *checking) file(path string) bool {
	const name = "database"
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		c.bad(name, "create it, writable by the user that runs rosterd; with systemd, StateDirectory= does", "the directory %s does not exist", dir)
		return false
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		c.good(name, "%s does not exist yet: rosterd run or rosterd migrate creates it", path)
		return false
	}
	if err != nil {
		c.bad(name, "let the user that runs rosterd read and write it; run this check as that user", "%s cannot be opened", path)
		return false
	}
	defer f.Close()
	head := make([]byte, 20)
	switch _, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF):
		c.good(name, "%s is empty: rosterd run or rosterd migrate fills it", path)
	case err != nil || string(head[:16]) != "SQLite format 3\x00" || head[18] != 2:
		c.bad(name, "name another file, or move this one away", "%s is not a database of rosterd", path)
	default:
		return true
	}
	return false
}

// schema compares the schema with the one that this program needs.
func (c *checking) schema(ctx context.Context, db *store.DB) bool {
	const name = "schema"
	needed, err := neededSchema(db.Postgres())
	if c.fault(name, err) {
		return false
	}
	var current int64
	err = db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&current)
	})
	if errors.Is(err, store.ErrUnavailable) {
		return !c.fault(name, err)
	}
	if err != nil { // no such table
		current = 0
	}
	return c.compare(current, needed)
}

// compare reports which schema there is, and whether it is the needed one.
func (c *checking) compare(current, needed int64) bool {
	const name = "schema"
	switch {
	case current < 1:
		c.good(name, "none yet: rosterd run or rosterd migrate makes it")
	case current > needed:
		c.bad(name, "install the newer rosterd again, or restore the backup made before it", "version %d, this program knows only %d", current, needed)
	case current < needed:
		c.good(name, "version %d: rosterd run or rosterd migrate brings it to %d", current, needed)
	default:
		c.good(name, "version %d is current", current)
		return true
	}
	return false
}

// neededSchema is the number of the last migration.
func neededSchema(postgres bool) (int64, error) {
	names, err := fs.Glob(store.Migrations(postgres), "*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	last := int64(0)
	for _, n := range names {
		number, _, _ := strings.Cut(n, "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, err
		}
		last = max(last, v)
	}
	return last, nil
}

// pin compares the org that answers with the one that was synced before.
func (c *checking) pin(ctx context.Context, name, orgName string, org crm.Org, db *store.DB) {
	kind := "production"
	if org.IsSandbox {
		kind = "sandbox"
	}
	if db == nil {
		c.good(name, "%s (%s); the first sync pins it", org.ID, kind)
		return
	}
	var pinned string
	err := db.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT s.value FROM sync_state s JOIN orgs o ON o.id = s.org_id
			WHERE o.name = $1 AND s.name = 'org_id'`, orgName).Scan(&pinned)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	switch {
	case c.fault(name, err):
	case pinned == "":
		c.good(name, "%s (%s); the first sync pins it", org.ID, kind)
	case pinned != string(org.ID):
		c.fault(name, &crm.OrgMismatchError{Want: crm.ID(pinned), Got: org.ID, Sandbox: org.IsSandbox})
	default:
		c.good(name, "%s (%s), as pinned", org.ID, kind)
	}
}
