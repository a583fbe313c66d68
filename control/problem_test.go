package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/sync"
)

func TestProblemOf(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		code   Code
		hint   string // part of it
	}{
		{dialer.ErrNotFound, 404, CodeNotFound, "named by id"},
		{dialer.ErrConflict, 409, CodeConflict, "again"},
		{dialer.ErrNoSeat, 409, CodeNoSeat, "seats"},
		{dialer.ErrProtected, 409, CodeProtected, ""},
		{dialer.ErrHold, 409, CodeProtected, "activate"},
		{dialer.ErrLocal, 409, CodeProtected, ""},
		{dialer.ErrAmbiguous, 409, CodeAmbiguous, "by id"},
		{dialer.ErrSalesforceOwned, 409, CodeSalesforce, "Salesforce"},
		{&dialer.TakenError{Field: dialer.FieldExtension, UserID: "u"}, 409, CodeTaken, "unique"},
		{&dialer.InvalidError{Field: dialer.FieldExtension, Rule: "must have 3 to 6 digits"}, 422, CodeInvalid, ""},
		{sync.ErrNoRun, 404, CodeNotFound, "runs"},
		{sync.ErrUnknownUser, 404, CodeNotFound, "sync"},
		{sync.ErrNoAttention, 404, CodeNotFound, "attention"},
		{sync.ErrAmbiguous, 409, CodeAmbiguous, "by id"},
		{sync.ErrRunEnded, 409, CodeConflict, ""},
		{sync.ErrNothingHeld, 409, CodeConflict, "run"},
		{sync.ErrHeldChanged, 409, CodeHeld, "latest"},
		{&sync.QuotaError{Need: 9, Left: 2, What: "budget"}, 429, CodeQuota, "--override"},
		{sync.ErrPaused, 409, CodePaused, "resume"},
		{sync.ErrStandby, 503, CodeStandby, "in charge"},
		{store.ErrUnavailable, 503, CodeUnavailable, "running"},
		{context.DeadlineExceeded, 504, CodeInternal, "again"},
		{errors.New("the disk is full"), 500, CodeInternal, ""},
		{invalid("no", "do"), 422, CodeInvalid, "do"},
	} {
		err := fmt.Errorf("do a thing: %w", tc.err)
		p := problemOf(err)
		if p.Status != tc.status || p.Code != tc.code || !strings.Contains(p.Hint, tc.hint) || tc.hint == "" && p.Hint != "" {
			t.Errorf("%v: got %d %s %q, want %d %s %q", tc.err, p.Status, p.Code, p.Hint, tc.status, tc.code, tc.hint)
		}
		if tc.code != CodeInvalid && p.Message != err.Error() {
			t.Errorf("%v: the message is %q", tc.err, p.Message)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want dialer.Query
	}{
		{"", dialer.Query{}},
		{"  ", dialer.Query{}},
		{"status=all", dialer.Query{Status: dialer.StatusAll}},
		{"search=ann license=powerdialer", dialer.Query{Search: "ann", Licenses: []string{"powerdialer"}}},
		{`permission_group="Sales Managers" linked=true`, dialer.Query{Linked: true, Groups: []dialer.Group{{Kind: "permission_group", Name: "Sales Managers"}}}},
		{`desk=EMEA|APAC role=Closer desk=US`, dialer.Query{Groups: []dialer.Group{{Kind: "desk", Name: "EMEA"}, {Kind: "desk", Name: "APAC"}, {Kind: "role", Name: "Closer"}, {Kind: "desk", Name: "US"}}}},
		{`integration_status=not_integrated name~smi country!=US username^a empty=phone`, dialer.Query{Terms: []dialer.Term{
			{Field: "integration_status", Op: dialer.OpIs, Value: "not_integrated"},
			{Field: "name", Op: dialer.OpContains, Value: "smi"},
			{Field: "country", Op: dialer.OpIsNot, Value: "US"},
			{Field: "username", Op: dialer.OpStarts, Value: "a"},
			{Field: "phone", Op: dialer.OpEmpty},
		}}},
		{`search="a=b"`, dialer.Query{Search: "a=b"}},
	} {
		var q dialer.Query
		if err := applyFilter(&q, tc.in); err != nil || fmt.Sprint(q) != fmt.Sprint(tc.want) {
			t.Errorf("%q: got %+v, %v", tc.in, q, err)
		}
	}
	for _, in := range []string{"ann", "=x", "status=", "status=gone", "linked=maybe", "role!=a", "status~a", "phone!x", "empty=shoe", "sip_password=x", `search="ann`, "shoe=42"} {
		var q dialer.Query
		if p, ok := errors.AsType[*Problem](applyFilter(&q, in)); !ok || p.Code != CodeInvalid {
			t.Errorf("%q is taken: %+v", in, q)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(`permission_group="Sales Managers" status=active`)
	f.Add(`"a" b="`)
	f.Fuzz(func(t *testing.T, in string) {
		terms, err := splitTerms(in)
		if err != nil && strings.Count(in, `"`)%2 == 0 {
			t.Fatalf("quotes are even, yet: %v", err)
		}
		if err == nil && len(strings.Join(terms, "")) > len(in) {
			t.Fatalf("%q became %q", in, terms)
		}
	})
}

func TestETag(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "*": 0, `"7"`: 7, `W/"7"`: 7, "7": 7} {
		if got, err := parseETag(in); got != want || err != nil {
			t.Errorf("%q: got %d, %v", in, got, err)
		}
	}
	for _, in := range []string{`"x"`, `"-1"`, `"0"`, `"1","2"`} {
		if got, err := parseETag(in); err == nil {
			t.Errorf("%q is taken as %d", in, got)
		}
	}
}
