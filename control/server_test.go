package control

import (
	"testing"

	"github.com/rosterd/rosterd/control/controltest"
)

// newTestServer makes a server of one org, acme.
func newTestServer(t *testing.T) *Server {
	t.Helper()
	e := controltest.NewEngine("acme")
	s, err := New(Options{Orgs: map[string]Org{"acme": {e, e.Users}}, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
