package directory_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
)

func (d *office) load(format, file string) dialer.MassAction {
	d.Helper()
	m, err := d.PreviewImport(d.Context(), dialer.ImportRequest{Format: format, Actor: root, Reason: "from a file"}, strings.NewReader(file))
	d.must(err)
	return m
}

func (d *office) export(format string, q dialer.Query, columns ...dialer.Field) string {
	d.Helper()
	var b bytes.Buffer
	if _, err := d.Export(d.Context(), &b, dialer.ExportRequest{Format: format, Query: q, Columns: columns, Actor: root}); err != nil {
		d.Fatal(err)
	}
	return b.String()
}

// odd has in it what files get wrong.
func odd(n int) dialer.User {
	u := person(n)
	u.DisplayName, u.Title = "=HYPERLINK(\"http://example.com\")", "'+1, \"quoted\"\u2028; and so on"
	u.Phone, u.Extension = "+12025550100", "0101"
	u.SetGroups(dialer.KindTag, "plain", "semi;colon", "[bracket", "comma, too", "=1+1")
	u.SetGroups(dialer.KindRole, "Agent", "@Closer")
	u.Settings.Country, u.Settings.CallerIDNumber, u.Settings.TargetMarket = "US", "+12025550101", "-West"
	for f, v := range map[dialer.Field]any{
		dialer.FieldRecordingEnabled: true, dialer.FieldRingTimeout: 45, dialer.FieldIPACLEntries: []any{"192.0.2.0/24"},
		dialer.FieldScreenPopRules: []any{map[string]any{"direction": "inbound", "matched": true, "open": "contact"}},
	} {
		if err := f.Set(&u, v); err != nil {
			panic(err)
		}
	}
	return u
}

// What is exported is imported without a change, and makes the same users in
// another directory.
func TestExportRoundTrip(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.hire(2)
		for i := range 3 {
			u := odd(10 + 2*i + 1) // local, so that another directory may have them
			u.Extension = fmt.Sprint(101 + i)
			d.must(d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: u, Actor: root}})[0].Err)
		}
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: d.user(person(11).Username).ID})
		for _, format := range []string{"csv", "json"} {
			file := d.export(format, dialer.Query{})
			m := d.load(format, file)
			if got := tally(m.Preview); got != "0 changed, 5 unchanged, 0 refused" {
				t.Errorf("%s: %s %+v\n%s", format, got, d.items(m.ID, dialer.MassItemQuery{Expected: true}), file)
			}
			other := newOffice(t, d.db, "other "+format, directory.Options{})
			var columns []dialer.Field
			for _, f := range directory.ExportColumns() {
				if f != "id" && f != dialer.FieldSalesforceID {
					columns = append(columns, f)
				}
			}
			m = other.run(other.load(format, d.export(format, dialer.Query{}, columns...)))
			if got := tally(m.Done); got != "5 changed, 0 unchanged, 0 refused" || m.Done.Created != 5 {
				t.Errorf("%s: %s %+v", format, got, other.items(m.ID, dialer.MassItemQuery{Outcome: dialer.ItemRefused}))
			}
			for n := range 3 {
				name := person(11 + 2*n).Username
				if diff := cmp.Diff(d.user(name), other.user(name), cmpopts.IgnoreFields(dialer.User{},
					"ID", "Version", "CreatedAt", "UpdatedAt", "Origin", "AdminHold")); diff != "" {
					t.Errorf("%s: %s", format, diff)
				}
			}
		}
	})
}

// No cell of a table is taken for a formula.
func TestExportFormulas(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		u := odd(1)
		u.LastName, u.FirstName = "@SUM(A1)", "\t=1"
		d.must(d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbCreate, User: u, Actor: root}})[0].Err)
		table, err := csv.NewReader(strings.NewReader(d.export("csv", dialer.Query{}))).ReadAll()
		d.must(err)
		if len(table) != 2 {
			t.Fatalf("got %d rows", len(table))
		}
		guarded := 0
		for i, cell := range table[1] {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
				t.Errorf("%s begins as a formula: %q", table[0][i], cell)
			}
			if strings.HasPrefix(cell, "'") {
				guarded++
			}
		}
		if guarded < 5 {
			t.Errorf("%d cells are guarded", guarded)
		}
		for _, secret := range []string{"sip_password", "caldav_token"} {
			if strings.Contains(strings.Join(table[0], " "), secret) {
				t.Errorf("%s is exported", secret)
			}
			_, err := d.Export(t.Context(), &bytes.Buffer{}, dialer.ExportRequest{Format: "csv", Columns: []dialer.Field{dialer.Field(secret)}, Actor: root})
			if _, ok := errors.AsType[*dialer.InvalidError](err); !ok {
				t.Errorf("%s: got %v", secret, err)
			}
		}
		var list []map[string]any
		d.must(json.Unmarshal([]byte(d.export("json", dialer.Query{}, "username", "recording_enabled", "ring_timeout_seconds", "tag")), &list))
		if len(list) != 1 || list[0]["recording_enabled"] != true || list[0]["ring_timeout_seconds"] != 45.0 || len(list[0]) != 4 {
			t.Errorf("got %v", list)
		}
		if got := d.export("json", dialer.Query{Search: "nobody"}); strings.Join(strings.Fields(got), "") != "[]" {
			t.Errorf("nobody: %q", got)
		}
	})
}

func TestImport(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		d.must(d.SetLicenses(t.Context(), []dialer.License{{Type: "agent", Purchased: 5, Default: true}}))
		people := d.hire(4, "agent")
		file := "\xef\xbb\xbfUsername,email,first_name,target_market,role,status\r\n" +
			"user1@acme.example.com,user1@example.com,Testa,East,Agent,active\r\n" + // 2: changed
			"USER2@acme.example.com,user2@example.com,Other,,Agent,active\r\n" + // 3: Salesforce's name
			"user2@acme.example.com,user2@example.com,Testa,,Agent,inactive\r\n" + // 4: the same user
			"user3@acme.example.com,user3@example.com,Testa,,Agent,active\r\n" + // 5: unchanged
			"new1@acme.example.com,new1@example.com,\"New\nLine\",West,Agent; Closer,\r\n" + // 6, 7: created, the last seat
			"new2@acme.example.com,new2@example.com,New,West,Agent,\r\n" + // 8: no seat
			"new1@ACME.example.com,new3@example.com,New,West,Agent,inactive\r\n" + // 9: taken by line 6
			"x,new4@example.com,New,West,Agent,inactive\r\n" + // 10: user name too short
			",new5@example.com,New,West,Agent,inactive\r\n" + // 11: nobody
			"new6@acme.example.com,New,West\r\n" + // 12: too few cells
			"user4@acme.example.com,user4@example.com,Testa,,Agent,gone\r\n" // 13: wrong status
		m := d.load("csv", file)
		if got := tally(m.Preview); !strings.HasPrefix(got, "2 changed, 1 unchanged, 8 refused") || m.Preview.Created != 1 || m.Total != 11 {
			t.Errorf("preview of %d: %s", m.Total, got)
		}
		want := map[int64]string{
			3: "owned by Salesforce", 4: "line 3", 8: "no seat", 9: "username is taken", 10: "username must", 11: "neither", 12: "3 cells", 13: "status must",
		}
		for _, it := range d.items(m.ID, dialer.MassItemQuery{Expected: true}) {
			if w := want[it.Line]; w == "" || !strings.Contains(it.Expected, w) {
				t.Errorf("line %d: got %q, want %q", it.Line, it.Expected, w)
			}
			delete(want, it.Line)
		}
		if len(want) != 0 {
			t.Errorf("not refused: %v", want)
		}
		if _, err := d.User(t.Context(), "new1@acme.example.com"); !errors.Is(err, dialer.ErrNotFound) {
			t.Errorf("the dry run added somebody: %v", err)
		}
		done := d.run(m)
		if diff := cmp.Diff(m.Preview, done.Done); diff != "" {
			t.Errorf("foretold, then done:\n%s", diff)
		}
		one, fresh := d.user(people[0]), d.user("new1@acme.example.com")
		if one.Settings.TargetMarket != "East" || fresh.Status != dialer.StatusActive || fresh.FirstName != "New Line" ||
			fresh.Origin != dialer.OriginImport || len(fresh.In(dialer.KindRole)) != 2 || len(fresh.LicenseTypes) != 1 {
			t.Errorf("got %+v\n%+v", one, fresh)
		}
		// Again, it changes nothing.
		if m = d.load("csv", file); m.Preview.Changed != 0 {
			t.Errorf("again: %s", tally(m.Preview))
		}
		m = d.run(d.load("json", fmt.Sprintf("[\n{\"id\": %q, \"ring_timeout_seconds\": 30, \"status\": \"inactive\"},\n\n{\"username\": 7}, {\"nonsense\": 1},\n\"text\"]", people[2])))
		if got := tally(m.Done); !strings.HasPrefix(got, "1 changed, 0 unchanged, 3 refused") {
			t.Errorf("json: %s", got)
		}
		var lines []int64
		for _, it := range d.items(m.ID, dialer.MassItemQuery{}) {
			lines = append(lines, it.Line)
		}
		if diff := cmp.Diff([]int64{2, 4, 4, 5}, lines); diff != "" {
			t.Errorf("lines: %s", diff)
		}
		if u := d.user(people[2]); u.Status != dialer.StatusInactive || dialer.FieldRingTimeout.Text(&u) != "30" {
			t.Errorf("json: got %+v", u)
		}
	})
}

func TestImportUnreadable(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		for _, c := range []struct{ format, file, want string }{
			{"csv", "", "line 1"},
			{"csv", "username,nonsense\n", "nonsense"},
			{"csv", "username,sip_password\na,b\n", "secret"},
			{"csv", "username,username\n", "twice"},
			{"csv", "username\nok@example.com\n\"open", "line 3"},
			{"json", "", "too early"},
			{"json", "{}", "array"},
			{"json", "[{\"username\": \"a\"},\n{\"username\": ]", "line 2"},
			{"json", "[\n{\"username\": \"a\"}\n", "too early"},
			{"xml", "", "csv or json"},
		} {
			_, err := d.PreviewImport(t.Context(), dialer.ImportRequest{Format: c.format, Actor: root}, strings.NewReader(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %q: got %v, want %q", c.format, c.file, err, c.want)
			}
		}
		if list, err := d.MassActions(t.Context(), 0, 0); err != nil || len(list) != 0 {
			t.Errorf("left behind: %+v, %v", list, err)
		}
	})
}

// A file cannot move names around within itself wrongly: what the dry run of
// several pages foretells is what happens.
func TestImportSwaps(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(3)
		file := fmt.Sprintf("id,extension\n%s,101\n%s,102\n", people[0], people[2])
		d.run(d.load("csv", file))
		swap := d.load("csv", fmt.Sprintf("id,extension\n%s,102\n%s,101\n", people[0], people[2]))
		done := d.run(swap)
		if diff := cmp.Diff(swap.Preview, done.Done); diff != "" || done.Done.Changed != 2 {
			t.Errorf("swap: %s\n%s", tally(done.Done), diff)
		}
		if u := d.user(people[0]); u.Extension != "102" {
			t.Errorf("got %s", u.Extension)
		}
	})
}
