package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// staysTrue checks everything that must hold whatever happened before: the
// directory is what the org says, nobody is in it twice, no more seats are
// taken than there are, and the activity log tells every change once.
func staysTrue(t testing.TB, d *daemon, s *sim) {
	t.Helper()
	users := d.users(t)
	sameAsOrg(t, d, s, users)
	nobodyTwice(t, users)
	seatsHold(t, d, users)
	toldOnce(t, d, users)
	until(t, 20*time.Second, "no run is left running", func() bool {
		return !slices.ContainsFunc(d.runs(t), func(r run) bool { return r.Outcome == "running" })
	})
}

// sameAsOrg compares the directory with the org: who is in scope is active and
// as Salesforce says, unless they wait for a seat; who is not has no access.
func sameAsOrg(t testing.TB, d *daemon, s *sim, users []user) {
	t.Helper()
	byID := map[string]user{}
	for _, u := range users {
		byID[u.SalesforceID] = u
	}
	staff, st := s.staff(t), s.stats(t)
	if want := st.InScope; len(staff) > want || len(staff) < want-st.Frozen {
		t.Fatalf("the test sees %d people in scope, and the org %d of whom %d are frozen", len(staff), want, st.Frozen)
	}
	var without []string
	active := 0
	for _, p := range staff {
		u, ok := byID[p.ID]
		delete(byID, p.ID)
		if !ok || u.Status != "active" {
			without = append(without, p.ID)
			continue
		}
		active++
		if u.DeactivateAt != nil {
			t.Errorf("user %s is in scope, but to leave at %s", p.ID, u.DeactivateAt)
		}
		if u.Email != p.Email || u.LastName != p.LastName || u.FirstName != p.FirstName {
			t.Errorf("user %s has other names or another address than in Salesforce", p.ID)
		}
	}
	for id, u := range byID {
		if u.Status != "inactive" {
			t.Errorf("user %s is %s, but not in scope:\n%s", id, u.Status, d.ctl(t, "users", "explain", id).out)
		}
	}
	left := 0
	for _, l := range d.licenses(t) {
		left += l.Left
	}
	missing := len(without)
	switch waiting := d.status(t).Waiting; {
	case missing > 0 && left > 0:
		t.Errorf("%d people in scope have no access though %d seats are left; %d wait. One of them:\n%s",
			missing, left, waiting, d.ctl(t, "users", "explain", without[0]).out)
	case missing != waiting:
		t.Errorf("%d people in scope have no access, and %d wait for a seat", missing, waiting)
	}
	t.Logf("%d people in scope, %d active, %d wait for a seat", len(staff), active, missing)
}

func nobodyTwice(t testing.TB, users []user) {
	t.Helper()
	seen := map[string]string{}
	for _, u := range users {
		for what, v := range map[string]string{"Salesforce id": u.SalesforceID, "id": u.ID, "user name": strings.ToLower(u.Username)} {
			if other, twice := seen[what+v]; twice {
				t.Errorf("users %s and %s have one %s", u.ID, other, what)
			}
			seen[what+v] = u.ID
		}
		if u.Status != "active" {
			continue
		}
		if other, twice := seen["address"+strings.ToLower(u.Email)]; twice {
			t.Errorf("active users %s and %s have one address", u.ID, other)
		}
		seen["address"+strings.ToLower(u.Email)] = u.ID
	}
}

func seatsHold(t testing.TB, d *daemon, users []user) {
	t.Helper()
	held := map[string]int{}
	for _, u := range users {
		for _, l := range u.LicenseTypes {
			held[l]++
		}
		if (u.Status == "active") != slices.Contains(u.LicenseTypes, "powerdialer") {
			t.Errorf("user %s is %s and holds %v", u.ID, u.Status, u.LicenseTypes)
		}
	}
	for _, l := range d.licenses(t) {
		if l.Assigned > l.Purchased || l.Assigned != held[l.Type] || l.Left != l.Purchased-l.Assigned {
			t.Errorf("license %s: %d purchased, %d assigned, %d left, and %d users hold one", l.Type, l.Purchased, l.Assigned, l.Left, held[l.Type])
		}
	}
}

// toldOnce replays the activity log: each entry must begin where the one before
// ended, which a change that is missing or told twice would break.
func toldOnce(t testing.TB, d *daemon, users []user) {
	t.Helper()
	log := d.activity(t)
	state := map[string]map[string]string{}
	created := map[string]int{}
	for _, a := range log {
		if a.UserID == "" {
			continue // about licenses
		}
		was, known := state[a.UserID]
		if a.Verb == "create" == known {
			t.Errorf("entry %d: %s of user %s, who was known: %v", a.Seq, a.Verb, a.UserID, known)
		}
		if !known {
			was = map[string]string{}
			state[a.UserID] = was
		}
		if len(a.After) == 0 {
			t.Errorf("entry %d: %s of user %s changes nothing", a.Seq, a.Verb, a.UserID)
		}
		for k, v := range a.Before {
			if got := was[k]; got != plainValue(v) && a.Verb != "create" {
				t.Errorf("entry %d: %s of user %s: %s was not as the entry before left it", a.Seq, a.Verb, a.UserID, k)
			}
		}
		for k, v := range a.After {
			if plainValue(v) == plainValue(a.Before[k]) {
				t.Errorf("entry %d: %s of user %s: %s did not change", a.Seq, a.Verb, a.UserID, k)
			}
			was[k] = plainValue(v)
		}
		if a.Verb == "create" {
			created[a.RunID]++
		}
	}
	if len(state) != len(users) {
		t.Errorf("the log tells of %d users, and there are %d", len(state), len(users))
	}
	for _, u := range users {
		s := state[u.ID]
		for k, v := range map[string]string{"status": u.Status, "email": u.Email, "username": u.Username, "last_name": u.LastName, "salesforce_id": u.SalesforceID} {
			if b, err := json.Marshal(v); err != nil || s[k] != plainValue(b) {
				t.Errorf("user %s: by the log the %s is another", u.ID, k)
			}
		}
	}
	for _, r := range d.runs(t) {
		told := created[jsonText(r.ID)]
		if r.Outcome == "failed" || r.Outcome == "cancelled" { // may have been killed before it could count
			continue
		}
		if told != r.Created {
			t.Errorf("run %d says that it created %d users, and the log tells of %d", r.ID, r.Created, told)
		}
	}
	t.Logf("%d entries in the activity log", len(log))
}

// plainValue makes what is empty all the same.
func plainValue(v json.RawMessage) string {
	switch s := string(v); s {
	case `""`, "null", "[]", "false":
		return ""
	default:
		return s
	}
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
