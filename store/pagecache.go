package store

import (
	"sync"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The pages that the caches of one database hold between them: 8,000 KiB of the
// connection that writes and 1,000 KiB of each of four that read.
const (
	pageRoom    = 4096 + 320 // bytes: a page, and what SQLite notes about it
	cachedPages = 2816
)

// frugal gives SQLite the memory of its page caches in one piece. The driver
// hands memory out in powers of two: a page with what describes it would take
// 8,192 bytes, and all caches twice what they count. What does not fit into it
// is allocated page by page. It works before the first connection of the
// process only: later SQLite refuses, and goes on as it would without.
var frugal = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	pages := libc.Xmalloc(tls, pageRoom*cachedPages) // until the process ends
	if pages == 0 {
		return
	}
	list := libc.NewVaList(pages, int32(pageRoom), int32(cachedPages))
	defer libc.Xfree(tls, list)
	if sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_PAGECACHE, list) != sqlite3.SQLITE_OK {
		libc.Xfree(tls, pages)
	}
})
