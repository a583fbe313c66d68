package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/control/controltest"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// TestAdministration runs scripts about users, groups and files against a real
// directory on SQLite; the engine beside it is one in memory.
func TestAdministration(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "admin"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			db, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{})
			if err != nil {
				return err
			}
			env.Defer(func() { _ = db.Close() })
			d := controltest.NewReal(t, db, "acme", 5, directory.Options{Now: controltest.Start}, controltest.Person(1), controltest.Person(2))
			if err := d.SetLicenses(t.Context(), []dialer.License{
				{Type: "office", Purchased: 2, Default: true}, {Type: "powerdialer", Purchased: 5, Default: true, RequiresSalesforce: true},
			}); err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = d.RunMass(ctx) })
			env.Defer(func() { cancel(); running.Wait() })
			e := controltest.NewEngine("acme")
			return serve(env, e, map[string]control.Org{"acme": {Engine: e, Directory: d}})
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": code, "engine": engine},
	})
}
