package store_test

import (
	"testing"

	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

func TestReleasedLeaseIsFreeAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		for i := range 50 {
			l, ok, err := db.Lease(t.Context(), "test")
			if err != nil || !ok {
				t.Fatalf("take %d: got %t, %v", i, ok, err)
			}
			if _, again, err := db.Lease(t.Context(), "test"); again || err != nil {
				t.Fatalf("take %d, while it is held: got %t, %v", i, again, err)
			}
			l.Release()
		}
	})
}
