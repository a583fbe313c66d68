package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(0), "0"},
		{number(999), "999"},
		{number(1234567), "1\u202f234\u202f567"},
		{number(int64(-50000)), "-50\u202f000"},
		{span(40 * time.Millisecond), "40 ms"},
		{span(1500 * time.Millisecond), "1.5 s"},
		{span(90 * time.Second), "1 min"},
		{span(-(7*time.Hour + 20*time.Minute)), "7 h 20 min"},
		{span(80 * time.Hour), "3 days"},
		{plural(1, "user", "users"), "1 user"},
		{plural(int64(2), "user", "users"), "2 users"},
		{sentence("the token is not known"), "The token is not known."},
		{sentence("Is it?"), "Is it?"},
		{sentence(""), ""},
		{sentence("éa"), "Éa."},
		{word(words())("salesforce_inactive"), "inactive in Salesforce"},
		{word(words())(dialer.Verb("some_new_verb")), "some new verb"},
		{plain(map[string]any{"name": "Reps"}), "Reps"},
		{plain([]any{"a", true, 2.0}), "a, yes, 2"},
		{
			usersFilter{Status: "all", Search: `a"b c`, Terms: []term{{"role", "is", "Sales Rep"}, {"email", "starts", "ann"}, {"mobile", "empty", ""}, {"x y=1", "not", "2"}}}.terms(),
			`status=all search="ab c" role="Sales Rep" email^"ann" empty=mobile x_y_1!="2"`,
		},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// Every attribute that can be written goes into a form and comes back as it
// was, so that saving what was not touched changes nothing.
func TestFormsKeepValues(t *testing.T) {
	samples := map[dialer.ValueKind]any{
		dialer.ValueText: "some text", dialer.ValuePhone: "+18015550100", dialer.ValueNumber: 30.0, dialer.ValueFlag: true,
		dialer.ValueGroups: []any{"Reps", "Closers"},
	}
	for _, a := range dialer.Attributes() {
		v := samples[a.Kind]
		switch {
		case a.Kind == dialer.ValueChoice:
			v = a.Choices[len(a.Choices)-1]
		case a.Kind == dialer.ValueList && len(a.Columns) == 0:
			v = []any{"one", "two"}
		case a.Kind == dialer.ValueList:
			record := map[string]any{}
			for _, c := range a.Columns {
				record[string(c.Name)] = samples[c.Kind]
				if c.Kind == dialer.ValueChoice {
					record[string(c.Name)] = c.Choices[0]
				}
			}
			v = []any{record, record}
		}
		if a.Kind == dialer.ValueGroups && a.Single {
			v = []any{"Reps"}
		}
		u := control.User{Attributes: map[dialer.Field]any{a.Name: v}}
		in := inputOf(a, &u, true)
		if a.Secret {
			if in.Value != "" || strings.Contains(in.Shown, "some text") {
				t.Errorf("%s is shown", a.Name)
			}
			continue
		}
		form := url.Values{string(a.Name): {in.Value}}
		for _, row := range in.Rows {
			for _, c := range row {
				form.Set(c.Name, c.Value)
			}
		}
		back := posted(a, form)
		if back != in.Was {
			t.Errorf("%s comes back as %q, was %q", a.Name, back, in.Was)
		}
		text, err := json.Marshal(typed(a, back))
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("%s (-was +is):\n%s", a.Name, diff)
		}
	}
}

// Every attribute has its place on a user's page.
func TestEveryAttributeHasATab(t *testing.T) {
	u := control.User{Attributes: map[dialer.Field]any{}}
	table := control.AttributePage{Sections: dialer.Sections(), Attributes: dialer.Attributes()}
	seen := map[dialer.Field]int{}
	for _, tab := range tabSections() {
		for _, s := range sectionsOf(table, &u, tab.Tab, true) {
			for _, in := range s.Inputs {
				seen[in.Attribute.Name]++
			}
		}
	}
	for _, a := range table.Attributes {
		if seen[a.Name] != 1 {
			t.Errorf("%s is on %d tabs", a.Name, seen[a.Name])
		}
	}
}

func TestChanges(t *testing.T) {
	got := changes(json.RawMessage(`{"title":"Rep","role":["Agent"],"same":1}`), json.RawMessage(`{"title":"Lead","role":["Agent","Closer"],"same":1,"new":true}`))
	want := []change{{"new", "", "yes"}, {"role", "Agent", "Agent, Closer"}, {"title", "Rep", "Lead"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := changes(json.RawMessage(`not JSON`), nil); got != nil {
		t.Errorf("nonsense changes %v", got)
	}
}

func TestChartSeats(t *testing.T) {
	v := &visit{zone: time.UTC}
	since := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, -30)
	h := control.Trend{Since: since, Seats: []control.TrendRow{
		{At: since, What: "powerdialer", N: 5}, {At: since.AddDate(0, 0, 10), What: "powerdialer", N: 8}, {At: since, What: "office", N: 1},
	}}
	charts := v.chartSeats(h, []control.License{{Type: "powerdialer", Purchased: 10, Assigned: 8}})
	if len(charts) != 1 || len(charts[0].Rows) != 31 {
		t.Fatalf("charts: %+v", charts)
	}
	c := charts[0]
	if c.Rows[0].Values[0] != "5" || c.Rows[9].Values[0] != "5" || c.Rows[10].Values[0] != "8" || c.Rows[30].Values[0] != "8" {
		t.Errorf("the table is %v", c.Rows)
	}
	if c.Mark.Label != "purchased 10" || !strings.HasPrefix(c.Series[0].Path, "M44.0 72.0 L") {
		t.Errorf("the line is %s, the mark %v", c.Series[0].Path, c.Mark)
	}
	for most, want := range map[float64]float64{0: 4, 5: 10 * .5, 7: 10, 11: 20, 99: 100, 101: 200, 420: 500} {
		if got := round(most); got != want {
			t.Errorf("round(%v) = %v, want %v", most, got, want)
		}
	}
}
