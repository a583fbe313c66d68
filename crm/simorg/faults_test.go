package simorg

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEffects(t *testing.T) {
	f := serve(t, Options{Users: 500, Plain: true})
	soql := "SELECT Id, Name FROM User"
	usual := f.soql(soql)
	for _, tt := range []struct {
		effect Effect
		status int // 0 when the connection breaks without an answer
		text   string
	}{
		{Effect{Kind: ExpireSessions}, 401, "INVALID_SESSION_ID"},
		{Effect{Kind: Unauthorized}, 401, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`},
		{Effect{Kind: NotForREST}, 401, "This session is not valid for use with the REST API"},
		{Effect{Kind: QuotaExceeded}, 403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`},
		{Effect{Kind: TooManyConcurrent}, 403, "ConcurrentRequests (Concurrent API Requests) Limit exceeded."},
		{Effect{Kind: NoAccess}, 403, "INSUFFICIENT_ACCESS"},
		{Effect{Kind: APIDisabled}, 403, "API_DISABLED_FOR_ORG"},
		{Effect{Kind: ServerError}, 500, "Please include this ErrorId"},
		{Effect{Kind: BadGateway}, 502, "<html>"},
		{Effect{Kind: Unavailable}, 503, "SERVER_UNAVAILABLE"},
		{Effect{Kind: Throttled}, 429, "<html>"},
		{Effect{Kind: TimedOut}, 400, "QUERY_TIMEOUT"},
		{Effect{Kind: Status, Status: 409, Code: "CONFLICT", Message: "so"}, 409, `[{"message":"so","errorCode":"CONFLICT"}]`},
		{Effect{Kind: TokenRefused, Code: "invalid_grant", Message: "ip restricted"}, 400, `"error_description":"ip restricted"`},
		{Effect{Kind: Slow, Delay: time.Millisecond}, 200, usual.body},
		{Effect{Kind: ExpireLocators}, 200, usual.body},
		{Effect{Kind: Drop}, 0, ""},
		{Effect{Kind: EmptyBody}, 200, ""},
		{Effect{Kind: EmptyResult}, 200, `{"totalSize":0,"done":true,"records":[]}`},
		{Effect{Kind: ShortPage, N: 3}, 200, `"totalSize":501,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/`},
		{Effect{Kind: CutBody, N: 20}, 200, usual.body[:20]},
	} {
		f.org.Faults().On(Query, 1, tt.effect)
		res := f.soql(soql)
		if res.status != tt.status || !strings.Contains(res.body, tt.text) || (res.err != nil) != (tt.status == 0) {
			t.Errorf("%s: got %d %.200q %v, want %d with %.100q", tt.effect, res.status, res.body, res.err, tt.status, tt.text)
		}
		if tt.effect.Kind == ShortPage && strings.Count(res.body, `"Id"`) != 3 {
			t.Errorf("short page: got %d rows", strings.Count(res.body, `"Id"`))
		}
		f.login()
		if again := f.soql(soql); again.body != usual.body {
			t.Errorf("%s: the next call is not as usual: %d %.100s", tt.effect, again.status, again.body)
		}
	}
}

func TestTruncatedBodies(t *testing.T) {
	f := serve(t, Options{Users: 500, Plain: true})
	whole := f.soql(canonical, "Accept-Encoding", "identity")
	f.org.Faults().On(Query, 2, Effect{Kind: Truncate})
	res := f.soql(canonical, "Accept-Encoding", "identity")
	if !errors.Is(res.err, io.ErrUnexpectedEOF) || len(res.body) == 0 || len(res.body) >= len(whole.body) {
		t.Errorf("plain: got %d of %d bytes, %v", len(res.body), len(whole.body), res.err)
	}
	res = f.soql(canonical, "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(strings.NewReader(res.body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(z); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(res.err, io.ErrUnexpectedEOF) {
		t.Errorf("gzip: got %v after %v", err, res.err)
	}
	f.org.Faults().On(Query, 1, Effect{Kind: CutBody})
	res = f.soql(canonical)
	var a answer
	if err := json.Unmarshal([]byte(res.body), &a); res.err != nil || err == nil {
		t.Errorf("cut body: frame %v, JSON %v; want a good frame around bad JSON", res.err, err)
	}
}

func TestHangingCallsEnd(t *testing.T) {
	f := serve(t, Options{})
	remove := f.org.Faults().Add(Rule{Endpoint: Limits, Effect: Effect{Kind: Hang}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.srv.URL+v66+"/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := f.srv.Client().Do(req); !errors.Is(err, context.DeadlineExceeded) {
		res.Body.Close()
		t.Errorf("got %v", err)
	}
	remove()
	if res := f.get(v66 + "/limits"); res.status != http.StatusOK {
		t.Errorf("after the rule: got %d", res.status)
	}
}

func TestRemovingARuleReleasesItsHangingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Options{})
		remove := o.Faults().Add(Rule{Endpoint: Versions, Effect: Effect{Kind: Hang}})
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			o.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/services/data/", nil))
		}()
		synctest.Wait()
		select {
		case got := <-ended:
			t.Fatalf("the call did not hang: %v", got)
		default:
		}
		remove()
		if got, _ := (<-ended).(error); !errors.Is(got, http.ErrAbortHandler) {
			t.Errorf("a released call ended with %v, want a broken connection", got)
		}
	})
}

func TestRulesChooseTheirCalls(t *testing.T) {
	f := serve(t, Options{Users: 5})
	bad := Effect{Kind: ServerError}
	pattern := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(map[int]byte{200: '.', 500: 'x'}[f.soql("SELECT Id FROM Profile").status])
		}
		return b.String()
	}
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{Effect: bad}, "xxxxxxxx"},
		{Rule{Endpoint: Query, Times: 2, Effect: bad}, "xx......"},
		{Rule{Endpoint: Query, From: 3, Effect: bad}, "..xxxxxx"},
		{Rule{Endpoint: Query, From: 2, Every: 3, Effect: bad}, ".x..x..x"},
		{Rule{Endpoint: Query, From: 2, Every: 3, Times: 2, Effect: bad}, ".x..x..."},
		{Rule{Endpoint: Limits, Effect: bad}, "........"},
		{Rule{Contains: "FROM Profile", Times: 1, Effect: bad}, "x......."},
		{Rule{Contains: "FROM User", Effect: bad}, "........"},
	} {
		remove := f.org.Faults().Add(tt.rule)
		if got := pattern(8); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.rule, got, tt.want)
		}
		remove()
		remove()
	}
	f.org.Faults().Add(Rule{Effect: bad})
	f.org.Faults().Clear()
	if got := pattern(2); got != ".." {
		t.Errorf("after Clear: got %s", got)
	}
}

func TestSessionEndsInMidPagination(t *testing.T) {
	f := serve(t, Options{Users: 900})
	f.org.Faults().Add(Rule{Endpoint: QueryMore, From: 2, Times: 1, Effect: Effect{Kind: ExpireSessions}})
	var a answer
	f.soql("SELECT Id FROM User", "Sforce-Query-Options", "batchSize=200").decode(t, &a)
	f.get(a.NextRecordsURL, "Sforce-Query-Options", "batchSize=200").decode(t, &a)
	if res := f.get(a.NextRecordsURL); res.status != http.StatusUnauthorized {
		t.Errorf("got %d", res.status)
	}
	f.login()
	if res := f.get(a.NextRecordsURL); res.code() != "INVALID_QUERY_LOCATOR" {
		t.Errorf("the old locator in a new session: got %d %s", res.status, res.body)
	}
}

func TestSwitches(t *testing.T) {
	c := newClock()
	f := serve(t, Options{Users: 50, Plain: true, Now: c.now, Quota: 5000})
	faults := f.org.Faults()

	hiddenID := f.org.gen.id(10)
	faults.HideUsers(func(u User) bool { return u.ID == hiddenID })
	if n := f.count("SELECT COUNT() FROM User WHERE IsActive = true"); n != 50 {
		t.Errorf("reduced visibility: counted %d", n)
	}
	if res := f.get(v66 + "/sobjects/User/" + hiddenID); res.status != http.StatusNotFound {
		t.Errorf("an invisible user: got %d", res.status)
	}
	if n := f.count("SELECT COUNT() FROM UserLogin WHERE UserId = '" + hiddenID + "'"); n != 0 {
		t.Errorf("login of an invisible user: got %d", n)
	}
	if f.org.Len() != 51 {
		t.Errorf("an administrator sees %d", f.org.Len())
	}

	faults.MoveInstance("https://acme2.my.example")
	var tok map[string]string
	if err := json.Unmarshal(tokenBody(t, f.org, map[string][]string{
		"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret},
	}), &tok); err != nil || tok["instance_url"] != "https://acme2.my.example" {
		t.Errorf("moved: got %v %v", tok, err)
	}

	faults.SkewClock(-10 * time.Minute)
	if got, want := f.get(v66+"/limits").header.Get("Date"), c.now().Add(-10*time.Minute).Format(http.TimeFormat); got != want {
		t.Errorf("skewed Date: got %s, want %s", got, want)
	}

	f.org.SetUsage(17, 5000)
	for _, tt := range []struct {
		rewrite func(string) string
		want    string
	}{
		{LimitInfoBursts, "api-usage=18/5000; api-bursts=1/750"},
		{LimitInfoPerApp, "api-usage=19/5000; per-app-api-usage=17/250(appName=sample-connected-app)"},
		{LimitInfoMissing, ""},
		{LimitInfoGarbage, "api-usage=many/??;=;;per-app"},
		{nil, "api-usage=22/5000"},
	} {
		faults.SetLimitInfo(tt.rewrite)
		if got := f.get(v66 + "/limits").header.Get("Sforce-Limit-Info"); got != tt.want {
			t.Errorf("Sforce-Limit-Info: got %q, want %q", got, tt.want)
		}
	}

	faults.HideField("UserLogin", "IsFrozen")
	if res := f.soql("SELECT IsFrozen FROM UserLogin"); res.code() != "INVALID_FIELD" {
		t.Errorf("hidden field: got %d", res.status)
	}
	faults.RetireVersion("66.0")
	if res := f.get(v66 + "/limits"); res.status != http.StatusGone {
		t.Errorf("retired: got %d", res.status)
	}
	faults.Clear()
	if n := f.count("SELECT COUNT() FROM User WHERE IsActive = true"); n != 51 {
		t.Errorf("after Clear: counted %d", n)
	}
	f.rows("SELECT IsFrozen FROM UserLogin LIMIT 1")
}

func TestEveryEffectKindIsListed(t *testing.T) {
	for _, k := range EffectKinds() {
		if !k.Known() {
			t.Errorf("%s is not known", k)
		}
	}
	if EffectKind("magic").Known() {
		t.Error("magic is known")
	}
}

func TestRulesAreChecked(t *testing.T) {
	for _, row := range []struct {
		at     Endpoint
		effect Effect
		good   bool
	}{
		{"", Effect{Kind: Unavailable}, true},
		{Query, Effect{Kind: ShortPage, N: 3}, true},
		{BulkCreate, Effect{Kind: BulkStuck}, true},
		{Subscribe, Effect{Kind: Unauthorized}, true},
		{Subscribe, Effect{Kind: LateAnswer}, true},
		{Delivery, Effect{Kind: HalfOpen}, true},
		{Event, Effect{Kind: LoseEvent}, true},
		{Query, Effect{Kind: Slow, Delay: 1}, true},
		{Query, Effect{Kind: Status, Status: 418}, true},
		{Subscribe, Effect{Kind: StreamError, Status: 8}, true},

		{"queries", Effect{Kind: Unavailable}, false},
		{Query, Effect{Kind: "magic"}, false},
		{Query, Effect{Kind: BulkStuck}, false},
		{"", Effect{Kind: BulkStuck}, false},
		{"", Effect{Kind: LoseEvent}, false},
		{"", Effect{Kind: HalfOpen}, false},
		{Query, Effect{Kind: ResetStream}, false},
		{Event, Effect{Kind: Unavailable}, false},
		{Delivery, Effect{Kind: LateAnswer}, false},
		{Delivery, Effect{Kind: ReplayCorrupted}, false},
		{Subscribe, Effect{Kind: Truncate}, false},
		{Query, Effect{Kind: Slow}, false},
		{Query, Effect{Kind: Status}, false},
		{Subscribe, Effect{Kind: StreamError}, false},
	} {
		if err := (Rule{Endpoint: row.at, Effect: row.effect}).Check(); (err == nil) != row.good {
			t.Errorf("%s at %q: got %v", row.effect, row.at, err)
		}
	}
	for kind, good := range map[EffectKind]bool{HalfOpen: true, Hang: true, EndStream: true, LateAnswer: false, LoseEvent: false, Truncate: false, "magic": false} {
		if err := (Effect{Kind: kind}).CheckBreak(); (err == nil) != good {
			t.Errorf("%s to an open stream: got %v", kind, err)
		}
	}
	for _, k := range EffectKinds() { // each has a place
		if !slices.ContainsFunc(Endpoints(), func(at Endpoint) bool {
			return Rule{Endpoint: at, Effect: Effect{Kind: k, Status: 13, Delay: 1}}.Check() == nil
		}) && k != Status {
			t.Errorf("%s is refused everywhere", k)
		}
	}
}
