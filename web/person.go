package web

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// whyPage explains somebody who need not be in the dialer.
type whyPage struct {
	Who     string
	Error   string
	Explain *control.Explanation
	Steps   []step
	Name    string
}

// why explains a person by id, user name or e-mail address.
func (v *visit) why() error {
	p := whyPage{Who: strings.TrimSpace(v.query("who"))}
	if p.Who != "" {
		e, err := v.api.Explain(v.r.Context(), p.Who)
		if problem := refused(err); problem != nil {
			p.Error = sentence(problem.Message)
			return v.page("why", "Why?", p)
		}
		if err != nil {
			return err
		}
		if e.User != nil {
			return v.see(v.At("/users/%s", e.User.ID) + "?tab=why")
		}
		p.Explain, p.Steps, p.Name = &e, v.timeline(&e), p.Who
		if e.Source != nil {
			if name, ok := e.Source.Fields["Name"].(string); ok && name != "" {
				p.Name = name
			}
		}
	}
	return v.page("why", "Why?", p)
}

// callNames finds what the people are called of whom a run holds or plans
// something: the dialer users of them.
func (v *visit) callNames(r control.Run) map[string]string {
	var list []entry
	for _, h := range r.HeldItems {
		list = append(list, entry{Activity: control.Activity{UserID: h.UserID}})
	}
	for _, c := range r.Changes {
		list = append(list, entry{Activity: control.Activity{UserID: c.UserID}})
	}
	list = list[:min(len(list), nameMost)]
	v.names(v.r.Context(), list)
	out := map[string]string{}
	for _, e := range list {
		if e.UserID != "" {
			out[e.UserID] = e.Name
		}
	}
	return out
}

// nameIn is the name that an entry of the log itself tells, "" for none: that of
// a user who was added tells it.
func nameIn(after json.RawMessage) string {
	var u struct {
		First string `json:"first_name"`
		Last  string `json:"last_name"`
	}
	if json.Unmarshal(after, &u) != nil || u.First == "" || u.Last == "" {
		return ""
	}
	return u.First + " " + u.Last
}

// nameMost is how many names one page looks up.
const nameMost = 200

// namesAtOnce is how many users are looked up with one call.
const namesAtOnce = 100

// names finds what the users of log entries are called. One that cannot be
// found goes by its id.
func (v *visit) names(ctx context.Context, list []entry) {
	ids := map[string]string{}
	for _, e := range list {
		if ids[e.UserID] == "" {
			ids[e.UserID] = nameIn(e.After)
		}
	}
	wanted := make([]string, 0, len(ids))
	for id, name := range ids {
		if id != "" && name == "" {
			wanted = append(wanted, id)
		}
	}
	slices.Sort(wanted)
	for some := range slices.Chunk(wanted, namesAtOnce) {
		for u, err := range v.api.Users(ctx, control.UserFilter{Status: "all", IDs: some}) {
			if err != nil {
				break // they go by their ids
			}
			ids[u.ID] = fullName(u)
		}
	}
	for i := range list {
		list[i].Name = ids[list[i].UserID]
		if list[i].Name == "" {
			list[i].Name = list[i].UserID
		}
	}
}
