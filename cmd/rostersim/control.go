package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// control serves the org, and under /sim/ what drives it from outside.
type control struct {
	org   *simorg.Org
	churn *churner
}

func newControl(org *simorg.Org, ch *churner) *control { return &control{org, ch} }

func (c *control) handler() http.Handler {
	sim := http.NewServeMux()
	routes := map[string]func(r *http.Request) (any, error){
		"GET /sim/stats":                c.stats,
		"GET /sim/users":                c.users,
		"POST /sim/users":               c.addUser,
		"GET /sim/users/{id}":           c.user,
		"POST /sim/users/{id}":          c.editUser,
		"POST /sim/users/{id}/freeze":   c.freeze(true),
		"POST /sim/users/{id}/unfreeze": c.freeze(false),
		"POST /sim/mass":                c.mass,
		"POST /sim/late-commit":         c.lateCommit,
		"POST /sim/profiles/{id}":       c.rename((*simorg.Org).RenameProfile),
		"POST /sim/roles/{id}":          c.rename((*simorg.Org).RenameRole),
		"POST /sim/usage":               c.usage,
		"DELETE /sim/calls":             c.resetCalls,
		"POST /sim/churn":               c.setChurn,
		"POST /sim/churn/step":          c.stepChurn,
		"POST /sim/churn/pause":         c.pause(true),
		"POST /sim/churn/resume":        c.pause(false),
	}
	maps.Copy(routes, c.faultRoutes())
	maps.Copy(routes, c.eventRoutes())
	index := slices.Sorted(maps.Keys(routes))
	routes["GET /sim/{$}"] = func(*http.Request) (any, error) { return index, nil }
	for pattern, h := range routes {
		sim.Handle(pattern, answer(h))
	}
	org := c.org.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not one mux for all: a mux would mend doubled slashes, which the org refuses.
		if strings.HasPrefix(r.URL.Path, "/sim/") {
			sim.ServeHTTP(w, r)
			return
		}
		org.ServeHTTP(w, r)
	})
}

// answer turns a function into a handler of plain JSON.
func answer(h func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4<<20)
		w.Header().Set("Content-Type", "application/json")
		v, err := h(r)
		switch {
		case errors.Is(err, simorg.ErrNotFound):
			w.WriteHeader(http.StatusNotFound)
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		}
		if err != nil {
			v = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(v) // the client may have gone
	})
}

// body decodes a request strictly.
func body(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return nil
}

type ok struct {
	OK bool `json:"ok"`
}

func (c *control) stats(*http.Request) (any, error) {
	type stats struct {
		OrgID      string         `json:"org_id"`
		Users      int            `json:"users"`
		Active     int            `json:"active"`
		InScope    int            `json:"in_scope"` // active standard users on the Salesforce license, frozen or not
		Frozen     int            `json:"frozen"`
		Calls      map[string]int `json:"calls"`
		UsageUsed  int            `json:"usage_used"`
		UsageQuota int            `json:"usage_quota"`
		Churn      churnState     `json:"churn"`
		eventState
	}
	s := stats{OrgID: c.org.ID(), Calls: c.org.Calls(), Churn: c.churn.state(), eventState: c.eventState()}
	s.UsageUsed, s.UsageQuota = c.org.Usage()
	t := c.org.Tally()
	s.Users, s.Active, s.InScope, s.Frozen = t.Users, t.Active, t.ActiveSalesforce, t.Frozen
	return s, nil
}

func (c *control) addUser(r *http.Request) (any, error) {
	var fields map[string]any
	if err := body(r, &fields); err != nil {
		return nil, err
	}
	u := simorg.User{IsActive: true}
	u.Username, _ = fields["Username"].(string)
	u.LastName, _ = fields["LastName"].(string)
	id, err := c.org.AddUserFields(u, fields)
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}

func (c *control) user(r *http.Request) (any, error) {
	u, err := c.org.User(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return c.describe(u)
}

// describe is a user by API field names, and whether it is frozen.
func (c *control) describe(u simorg.User) (map[string]any, error) {
	frozen, err := c.org.Frozen(u.ID)
	if err != nil {
		return nil, err
	}
	m := c.org.FieldsOf(u)
	m["IsFrozen"] = frozen
	return m, nil
}

// users lists users, at most limit of them, from an offset.
func (c *control) users(r *http.Request) (any, error) {
	limit, offset := 100, 0
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		if s := r.URL.Query().Get(name); s != "" {
			if _, err := fmt.Sscan(s, into); err != nil || *into < 0 {
				return nil, fmt.Errorf("%s=%s: not a number of users", name, s)
			}
		}
	}
	out := []map[string]any{}
	for u := range c.org.Users() {
		if offset > 0 {
			offset--
			continue
		}
		if len(out) == limit {
			break
		}
		m, err := c.describe(u)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (c *control) editUser(r *http.Request) (any, error) {
	var fields map[string]any
	if err := body(r, &fields); err != nil {
		return nil, err
	}
	return ok{true}, c.org.SetFields([]string{r.PathValue("id")}, fields)
}

// mass edits many users at one stamp.
func (c *control) mass(r *http.Request) (any, error) {
	var in struct {
		IDs    []string       `json:"ids"`
		Fields map[string]any `json:"fields"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return ok{true}, c.org.SetFields(in.IDs, in.Fields)
}

// lateCommit edits users in a transaction that commits after a while: the rows carry the stamp of now.
func (c *control) lateCommit(r *http.Request) (any, error) {
	var in struct {
		IDs    []string       `json:"ids"`
		Fields map[string]any `json:"fields"`
		After  string         `json:"after"` // a duration
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(in.After)
	if err != nil || d <= 0 {
		return nil, fmt.Errorf("after %q: write a duration above zero, such as 30s", in.After)
	}
	return ok{true}, c.org.LateFields(d, in.IDs, in.Fields)
}

func (c *control) freeze(on bool) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if on {
			return ok{true}, c.org.Freeze(r.PathValue("id"))
		}
		return ok{true}, c.org.Unfreeze(r.PathValue("id"))
	}
}

func (c *control) rename(f func(o *simorg.Org, id, name string) error) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var in struct {
			Name string `json:"name"`
		}
		if err := body(r, &in); err != nil {
			return nil, err
		}
		return ok{true}, f(c.org, r.PathValue("id"), in.Name)
	}
}

func (c *control) usage(r *http.Request) (any, error) {
	var in struct {
		Used int `json:"used"`
		Max  int `json:"max"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	c.org.SetUsage(in.Used, in.Max)
	return ok{true}, nil
}

func (c *control) resetCalls(*http.Request) (any, error) {
	c.org.ResetCalls()
	return ok{true}, nil
}

func (c *control) setChurn(r *http.Request) (any, error) {
	var in struct {
		Rate string `json:"rate"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	var to rate
	if err := to.Set(in.Rate); err != nil {
		return nil, err
	}
	c.churn.set(&to, nil)
	return ok{true}, nil
}

// stepChurn lets n things happen at once, whatever the rate, and says what they were.
func (c *control) stepChurn(r *http.Request) (any, error) {
	in := struct {
		N int `json:"n"`
	}{N: 1}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return c.churn.step(min(in.N, 100_000))
}

func (c *control) pause(on bool) func(r *http.Request) (any, error) {
	return func(*http.Request) (any, error) {
		c.churn.set(nil, &on)
		return ok{true}, nil
	}
}
