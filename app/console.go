package app

import (
	"context"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/web"
)

// faces makes the control API and the console, each of which has the other: the
// server shows the console's pages, and the console calls the API as its
// visitors would.
func (a *App) faces(o control.Options) (*control.Server, *web.Console, error) {
	zones := map[string]*time.Location{}
	for i := range a.config.Orgs {
		zones[a.config.Orgs[i].Name] = a.config.Orgs[i].Sync.Zone
	}
	var api http.Handler
	console, err := web.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api.ServeHTTP(w, r) }),
		web.Options{Log: a.log, Zones: zones})
	if err != nil {
		return nil, nil, err
	}
	o.Pages = console
	server, err := control.New(o)
	if err != nil {
		return nil, nil, err
	}
	api = server.Handler(false)
	return server, console, nil
}

// closeConsole ends the console's streams before the server waits for its
// requests.
func (a *App) closeConsole(c *web.Console) {
	a.life.onStop("console", func(context.Context) error { c.Close(); return nil })
}
