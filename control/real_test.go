package control

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// world is a server over real directories of two orgs, acme and beta, on one
// database.
type world struct {
	*Server
	db     *store.DB
	engine *controltest.Engine
	dirs   map[string]*directory.Directory
	ids    map[string]string // user ids by user name
}

// eachStore runs f with a server on SQLite and with one on Postgres. Each org
// has two users linked to Salesforce and one who is local.
func eachStore(t *testing.T, f func(t *testing.T, s *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		r := &world{db: db, engine: controltest.NewEngine("acme"), dirs: map[string]*directory.Directory{}, ids: map[string]string{}}
		orgs := map[string]Org{}
		for _, name := range []string{"acme", "beta"} {
			org, err := directory.EnsureOrg(t.Context(), db, name)
			if err != nil {
				t.Fatal(err)
			}
			d := directory.New(db, org, directory.Options{})
			if err := d.SetLicenses(t.Context(), []dialer.License{
				{Type: "powerdialer", Purchased: 5, Default: true, RequiresSalesforce: true}, {Type: "office", Purchased: 3, Default: true},
			}); err != nil {
				t.Fatal(err)
			}
			r.dirs[name] = d
			orgs[name] = Org{Engine: r.engine, Directory: d}
			for i := range 3 {
				r.create(t, name, i+1)
			}
		}
		s, err := New(Options{Orgs: orgs, Tokens: testTokens(t), Version: "1.2.3"})
		if err != nil {
			t.Fatal(err)
		}
		r.Server = s
		f(t, r)
	})
}

// create adds a user: the third of an org is not of Salesforce.
func (r *world) create(t *testing.T, org string, n int) {
	t.Helper()
	u := dialer.User{
		Username: fmt.Sprintf("rep%d@%s.example.com", n, org), Email: fmt.Sprintf("rep%d@%s.example.com", n, org),
		FirstName: "Rep", LastName: fmt.Sprintf("Number%d", n), Extension: fmt.Sprintf("%d", 100+n), IntegrationInfo: dialer.IntegrationOK,
	}
	seats := []string{"office"}
	if n != 3 {
		u.SalesforceID, seats = fmt.Sprintf("0050000000%s%dAAA", org, n), []string{"powerdialer"}
	}
	res := r.dirs[org].Apply(t.Context(), []dialer.Change{{
		Verb: dialer.VerbCreate, User: u, Seats: seats, Actor: dialer.Actor{Kind: "system", Name: "test"},
	}})
	if res[0].Err != nil {
		t.Fatal(res[0].Err)
	}
	r.ids[u.Username] = res[0].UserID
}

// user reads a user of acme.
func (r *world) user(t *testing.T, ref string) dialer.User {
	t.Helper()
	u, err := r.dirs["acme"].User(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ask is ask with the org acme, unless the path names another.
func (r *world) ask(t *testing.T, role Role, method, path, body string, header ...string) reply {
	t.Helper()
	return ask(t, r.Server, role, method, inAcme(path), body, header...)
}
