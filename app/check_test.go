package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/crm/simorg"
	rostersync "github.com/rosterd/rosterd/sync"
)

func (w *world) check(online bool) (ok bool, lines string) {
	w.t.Helper()
	var b strings.Builder
	ok = Check(w.t.Context(), w.config(), Checks{Online: online, Report: func(r rostersync.CheckResult) {
		fmt.Fprintf(&b, "%t %s: %s (%s)\n", r.OK, r.Name, r.Detail, r.Hint)
	}})
	return ok, b.String()
}

// files are all files below a folder, with their sums.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sums[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func want(t *testing.T, lines string, wanted ...string) {
	t.Helper()
	for _, s := range wanted {
		if !strings.Contains(lines, s) {
			t.Errorf("no %q in\n%s", s, lines)
		}
	}
}

func TestCheckOffline(t *testing.T) {
	w := newWorld(t, "sqlite:///nonexistent/x.db", nil)
	ok, lines := w.check(false)
	if !ok || strings.Count(lines, "\n") != 1 || len(w.org.Calls()) > 0 {
		t.Errorf("ok %t, calls %v\n%s", ok, w.org.Calls(), lines)
	}
}

func TestCheckBeforeTheFirstRun(t *testing.T) {
	w := newWorld(t, "", nil)
	w.database = "sqlite://" + w.dir + "/new.db"
	w.config()
	before := files(t, w.dir)
	ok, lines := w.check(true)
	if !ok {
		t.Errorf("not ok:\n%s", lines)
	}
	want(t, lines, "new.db does not exist yet", "true org acme: login: integration user 005", "API version: 66.0 is served",
		"the first sync pins it", "fields of User can be read", "users: 41 pass the prefilter", "true org acme: frozen users: 0", "API quota:")
	if diff := cmp.Diff(files(t, w.dir), before); diff != "" {
		t.Errorf("check changed files:\n%s", diff)
	}
}

// After a run check sees the same org, and another one under the same name.
func TestCheckAfterARun(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		a := w.boot(Options{})
		w.awaitEnrolled(w.client())
		if ok, lines := w.check(true); !ok { // beside a running daemon, too
			t.Errorf("not ok:\n%s", lines)
		}
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		path, isFile := strings.CutPrefix(database, "sqlite://")
		before := map[string]string{}
		if isFile {
			before = files(t, filepath.Dir(path))
		}
		ok, lines := w.check(true)
		if !ok {
			t.Errorf("not ok:\n%s", lines)
		}
		want(t, lines, "true database: answers", "true schema: version", "is current", w.org.ID()+" (production), as pinned")
		if isFile {
			if diff := cmp.Diff(files(t, filepath.Dir(path)), before); diff != "" {
				t.Errorf("check changed files:\n%s", diff)
			}
		}
		other := newWorld(t, database, func(o *simorg.Options) { o.OrgID = "00D5f0000000009EAA" })
		ok, lines = other.check(true)
		if ok {
			t.Error("another org is taken for the same")
		}
		want(t, lines, "false org acme: Salesforce org: ", "configure the new org under a new name")
	})
}

func TestCheckFindsWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world)
		want  []string
	}{
		"no folder":         {func(w *world) { w.database = "sqlite:///nonexistent/x.db" }, []string{"false database: the directory /nonexistent does not exist (create it"}},
		"another file":      {func(w *world) { w.database = "sqlite://" + w.write("x.db", strings.Repeat("no database ", 100)) }, []string{"is not a database of rosterd (name another file"}},
		"no Postgres":       {func(w *world) { w.database = "postgres://x@127.0.0.1:1/x?connect_timeout=1" }, []string{"false database: open database"}},
		"a wrong client":    {func(w *world) { w.extra = w.orgYAML("globex", "nobody") }, []string{"false org globex: login: ", "invalid_client_id", "(check client_id", "true org acme: API quota"}},
		"a retired version": {func(w *world) { w.org.Faults().RetireVersion("66.0") }, []string{"false org acme: API version: ", "(set api_version to"}},
		"a hidden field":    {func(w *world) { w.org.Faults().HideField("User", "Phone") }, []string{"false org acme: fields: hidden or gone: Phone (give the integration user Read"}},
		"a needed field":    {func(w *world) { w.org.Faults().HideField("User", "IsActive") }, []string{"false org acme: fields: describe user: fields of User missing or hidden: IsActive"}},
		"hidden users": {
			func(w *world) { w.org.Faults().HideUsers(func(simorg.User) bool { return true }) },
			[]string{"false org acme: users: no user passes the prefilter"},
		},
		"hidden logins": {
			func(w *world) { w.org.Faults().HideField("UserLogin", "IsFrozen") },
			[]string{"false org acme: frozen users: ", "Manage Users"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", nil)
			w.database = "sqlite://" + w.dir + "/new.db"
			tc.spoil(w)
			ok, lines := w.check(true)
			if ok {
				t.Error("all is said to be well")
			}
			want(t, lines, tc.want...)
		})
	}
}

// A schema that is older, newer or not there is told apart, and left alone.
func TestCheckSchema(t *testing.T) {
	needed, err := neededSchema(false)
	if err != nil || needed < 2 {
		t.Fatalf("needed %d, %v", needed, err)
	}
	for version, text := range map[int64]string{
		needed + 5: fmt.Sprintf("false schema: version %d, this program knows only %d (install the newer", needed+5, needed),
		needed:     fmt.Sprintf("true schema: version %d is current", needed),
		0:          "true schema: none yet",
		1:          fmt.Sprintf("true schema: version 1: rosterd run or rosterd migrate brings it to %d", needed),
	} {
		c := &checking{report: func(r rostersync.CheckResult) {
			if got := fmt.Sprintf("%t %s: %s (%s)", r.OK, r.Name, r.Detail, r.Hint); !strings.Contains(got, text) {
				t.Errorf("got %s, want %s", got, text)
			}
		}}
		if current := c.compare(version, needed); current != (version == needed) {
			t.Errorf("version %d is current: %t", version, current)
		}
	}
}

func TestCheckOfChangeEvents(t *testing.T) {
	w := newWorld(t, "", nil)
	w.database = "sqlite://" + w.dir + "/new.db"
	if _, lines := w.check(true); !strings.Contains(lines, "true org acme: change events: login_url is a loopback address") {
		t.Errorf("without an endpoint:\n%s", lines)
	}
	p, err := w.org.PubSub(simorg.PubSubOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	wish := func(changes string) {
		w.more = fmt.Sprintf("      changes: %s\n      pubsub_endpoint: %q\n      ca_file: %s\n", changes, p.Endpoint(), w.write("ca.pem", string(p.CA())))
	}
	wish("stream")
	if ok, lines := w.check(true); !ok || !strings.Contains(lines, "true org acme: change events: /data/UserChangeEvent can be followed") {
		t.Errorf("followed over TLS:\n%s", lines)
	}
	w.org.Faults().SetViewAllUsers(false)
	if ok, lines := w.check(true); ok || !strings.Contains(lines, "false org acme: change events: ") || !strings.Contains(lines, "View All Users") {
		t.Errorf("without permission:\n%s", lines)
	}
	wish("auto")
	if ok, lines := w.check(true); !ok || !strings.Contains(lines, "changes are polled for instead (give") {
		t.Errorf("without permission, where polls stand in:\n%s", lines)
	}
	w.org.Faults().Clear()
	w.org.Faults().On(simorg.GetTopic, 0, simorg.Effect{Kind: simorg.Unavailable})
	if ok, lines := w.check(true); !ok || !strings.Contains(lines, "changes are polled for instead") || strings.Contains(lines, "() ()") {
		t.Errorf("while Salesforce has an outage:\n%s", lines)
	}
}
