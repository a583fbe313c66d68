package directory_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/rosterd/rosterd/dialer/dialertest"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// opener gives directories of fresh orgs on two handles of one database, as two
// daemons have them.
func opener(open func() *store.DB) func(t testing.TB) dialertest.Directory {
	handles := []*store.DB{open(), open()}
	var orgs atomic.Int64
	return func(t testing.TB) dialertest.Directory {
		t.Helper()
		n := orgs.Add(1)
		db := handles[n%2]
		org, err := directory.EnsureOrg(t.Context(), db, fmt.Sprintf("org %d", n))
		if err != nil {
			t.Fatal(err)
		}
		return directory.New(db, org, directory.Options{})
	}
}

func TestDirectory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		dialertest.Run(t, opener(open))
	})
}
