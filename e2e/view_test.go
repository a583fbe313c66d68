package e2e

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// What the commands print, as others read it.
type (
	run struct {
		ID              int64                   `json:"id"`
		Org             string                  `json:"org"`
		Kind            string                  `json:"kind"`
		Trigger         string                  `json:"trigger"`
		Outcome         string                  `json:"outcome"`
		Error           string                  `json:"error"`
		Hint            string                  `json:"hint"`
		Snapshot        string                  `json:"snapshot"`
		SnapshotWhy     string                  `json:"snapshot_why"`
		Created         int                     `json:"created"`
		Updated         int                     `json:"updated"`
		Deactivated     int                     `json:"deactivated"`
		Reactivated     int                     `json:"reactivated"`
		Scheduled       int                     `json:"scheduled"`
		Skipped         int                     `json:"skipped"`
		Failed          int                     `json:"failed"`
		Held            int                     `json:"held"`
		Attention       int                     `json:"attention"`
		SalesforceCalls int                     `json:"salesforce_calls"`
		Read            int                     `json:"read"`
		TookMS          int64                   `json:"took_ms"`
		Mirrored        int                     `json:"mirrored"`
		Started         time.Time               `json:"started_at"`
		Actor           struct{ Name string }   `json:"actor"`
		HeldItems       []struct{ Verb string } `json:"held_items"`
		Changes         []struct{ Verb string } `json:"changes"`
	}
	user struct {
		ID           string     `json:"id"`
		SalesforceID string     `json:"salesforce_id"`
		Username     string     `json:"username"`
		Email        string     `json:"email"`
		FirstName    string     `json:"first_name"`
		LastName     string     `json:"last_name"`
		Status       string     `json:"status"`
		StatusReason string     `json:"status_reason"`
		DeactivateAt *time.Time `json:"deactivate_at"`
		LicenseTypes []string   `json:"license_types"`
		AdminHold    bool       `json:"admin_hold"`
	}
	license struct {
		Type                      string
		Purchased, Assigned, Left int
	}
	orgStatus struct {
		Name       string    `json:"name"`
		State      string    `json:"state"`
		Reasons    []string  `json:"reasons"`
		LastError  string    `json:"last_error"`
		LastFull   time.Time `json:"last_full"`
		LastChange time.Time `json:"last_change"`
		Mirror     int       `json:"mirror_users"`
		Enrolled   int       `json:"enrolled"`
		Held       int       `json:"held"`
		Attention  int       `json:"attention"`
		Changes    struct {
			State   string `json:"state"`
			Waiting int    `json:"waiting"`
		} `json:"changes"`
		Waiting int   `json:"waiting"`
		Running int64 `json:"running"`
	}
	attention struct {
		ID                 int64
		Kind, User, Detail string
	}
	activity struct {
		Seq           int64
		UserID        string `json:"user_id"`
		SalesforceID  string `json:"salesforce_id"`
		Verb, Reason  string
		Before, After map[string]json.RawMessage
		RunID         string `json:"run_id"`
		Actor         struct{ Kind, Name string }
	}
)

// sync runs a sync to its end. Which exit codes are right is the caller's to
// say; 0 when none are given.
func (d *daemon) sync(t testing.TB, args []string, codes ...int) run {
	t.Helper()
	r := d.ctl(t, append([]string{"-o", "json", "sync", "--wait", "--yes"}, args...)...).must(t, codes...)
	return decode[run](t, r)
}

// full runs a full sync to its end.
func (d *daemon) full(t testing.TB, codes ...int) run {
	t.Helper()
	return d.sync(t, []string{"--full"}, codes...)
}

func (d *daemon) users(t testing.TB, args ...string) []user {
	t.Helper()
	return decode[[]user](t, d.ctl(t, append([]string{"users", "list", "-o", "json", "--status", "all"}, args...)...).must(t))
}

func (d *daemon) user(t testing.TB, ref string) user {
	t.Helper()
	return decode[user](t, d.ctl(t, "users", "show", ref, "-o", "json").must(t))
}

func (d *daemon) runs(t testing.TB) []run {
	t.Helper()
	return decode[[]run](t, d.ctl(t, "runs", "list", "-o", "json", "--limit", "1000").must(t))
}

// status is how the first org stands.
func (d *daemon) status(t testing.TB) orgStatus {
	t.Helper()
	st := decode[struct{ Orgs []orgStatus }](t, d.ctl(t, "status", "-o", "json").must(t))
	return st.Orgs[0]
}

func (d *daemon) licenses(t testing.TB) []license {
	t.Helper()
	return decode[[]license](t, d.ctl(t, "licenses", "list", "-o", "json").must(t))
}

func (d *daemon) attention(t testing.TB, args ...string) []attention {
	t.Helper()
	return decode[[]attention](t, d.ctl(t, append([]string{"attention", "list", "-o", "json"}, args...)...).must(t))
}

// activity is the whole log, oldest first.
func (d *daemon) activity(t testing.TB, args ...string) []activity {
	t.Helper()
	var all []activity
	for before := int64(0); ; {
		args := append([]string{"activity", "-o", "json", "--limit", "1000"}, args...)
		if before > 0 {
			args = append(args, "--before", strconv.FormatInt(before, 10))
		}
		page := decode[[]activity](t, d.ctl(t, args...).must(t))
		all = append(all, page...)
		if len(page) < 1000 {
			break
		}
		before = page[len(page)-1].Seq
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// leads waits until the daemon is in charge of its database.
func (d *daemon) leads(t testing.TB) {
	t.Helper()
	until(t, time.Minute, "the daemon is in charge", func() bool {
		r := d.ctl(t, "status", "-o", "json")
		return r.code == 0 && decode[struct{ Orgs []orgStatus }](t, r).Orgs[0].State != "standby"
	})
}

// mended waits until the org stands well again, which it must by itself.
func (d *daemon) mended(t testing.TB, limit time.Duration) {
	t.Helper()
	var st orgStatus
	until(t, limit, "the org stands well again", func() bool {
		r := d.ctl(t, "status", "-o", "json")
		if r.code != 0 {
			return false
		}
		st = decode[struct{ Orgs []orgStatus }](t, r).Orgs[0]
		return st.State == "ok" && st.LastError == ""
	})
}
