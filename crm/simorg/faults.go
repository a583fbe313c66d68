package simorg

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// EffectKind names what a fault does. The strings are those of the JSON form of a [Rule].
type EffectKind string

// What can go wrong with a call.
const (
	ExpireSessions    EffectKind = "expire_sessions"     // every session ends just before the call
	ExpireLocators    EffectKind = "expire_locators"     // every query locator ends just before the call
	Unauthorized      EffectKind = "unauthorized"        // 401 INVALID_SESSION_ID, whatever the token
	NotForREST        EffectKind = "not_for_rest"        // 401 that no new token cures
	QuotaExceeded     EffectKind = "quota_total"         // 403 REQUEST_LIMIT_EXCEEDED, 24 hours
	TooManyConcurrent EffectKind = "quota_concurrent"    // 403 REQUEST_LIMIT_EXCEEDED, long requests
	NoAccess          EffectKind = "insufficient_access" // 403 INSUFFICIENT_ACCESS
	APIDisabled       EffectKind = "api_disabled"        // 403 API_DISABLED_FOR_ORG
	ServerError       EffectKind = "server_error"        // 500 UNKNOWN_EXCEPTION
	BadGateway        EffectKind = "bad_gateway"         // 502 with an HTML page
	Unavailable       EffectKind = "unavailable"         // 503 SERVER_UNAVAILABLE
	Throttled         EffectKind = "throttled"           // 429 from the edge
	TokenRefused      EffectKind = "token_refused"       // 400 with Code and Message in OAuth's shape
	Status            EffectKind = "status"              // Status, Code and Message as given
	Slow              EffectKind = "slow"                // the answer comes after Delay
	Hang              EffectKind = "hang"                // no answer until the client goes or the rule is cleared
	Drop              EffectKind = "drop"                // the connection closes without an answer
	Truncate          EffectKind = "truncate"            // the connection closes after N bytes of body, or half of it
	CutBody           EffectKind = "cut_body"            // a well-framed answer of which the text ends after N bytes, or half
	EmptyBody         EffectKind = "empty_body"          // the status as usual, no body
	EmptyResult       EffectKind = "empty_result"        // a query finds nothing, a retrieve only nulls
	ShortPage         EffectKind = "short_page"          // pages of at most N rows
	TimedOut          EffectKind = "query_timeout"       // 400 QUERY_TIMEOUT
)

// EffectKinds lists every kind.
func EffectKinds() []EffectKind {
	return append([]EffectKind{
		ExpireSessions, ExpireLocators, Unauthorized, NotForREST, QuotaExceeded, TooManyConcurrent, NoAccess, APIDisabled,
		ServerError, BadGateway, Unavailable, Throttled, TokenRefused, Status, Slow, Hang, Drop, Truncate, CutBody, EmptyBody,
		EmptyResult, ShortPage, TimedOut,
	}, append(bulkEffects(), streamKinds()...)...)
}

// Known reports whether the kind is one of EffectKinds.
func (k EffectKind) Known() bool { return slices.Contains(EffectKinds(), k) }

// Effect is what happens to a call.
type Effect struct {
	Kind    EffectKind    `json:"kind"`
	Delay   time.Duration `json:"delay,omitempty"` // of Slow, in nanoseconds
	N       int           `json:"n,omitempty"`
	Status  int           `json:"status,omitempty"`
	Code    string        `json:"code,omitempty"`
	Message string        `json:"message,omitempty"`

	gone <-chan struct{} // releases a hanging call
}

// Rule says which calls an effect befalls. The zero rule befalls every call, always.
type Rule struct {
	Endpoint Endpoint `json:"endpoint,omitempty"` // empty for every endpoint but those of the change events
	Contains string   `json:"contains,omitempty"` // text that the query, the path or the body must contain
	From     int      `json:"from,omitempty"`     // the first matching call that it befalls, counted from 1
	Every    int      `json:"every,omitempty"`    // thereafter each Every-th; 0 and 1 are each
	Times    int      `json:"times,omitempty"`    // how often; 0 is until removed
	Effect   Effect   `json:"effect"`
}

type activeRule struct {
	Rule
	seen, hit int
	gone      chan struct{} // closed when the rule is removed
}

// Faults are the switches of an org. All may be turned while it serves.
type Faults struct {
	o *Org

	// mu guards all below.
	mu       sync.Mutex
	rules    []*activeRule
	hidden   map[string]bool // object.field
	retiring map[string]bool
	moved    string
	ahead    time.Duration
	info     func(usual string) string
	calm     chan struct{} // closed by Clear, which ends what BreakStreams began
}

func newFaults(o *Org) *Faults {
	return &Faults{o: o, hidden: map[string]bool{}, retiring: map[string]bool{}, calm: make(chan struct{})}
}

// Add puts a rule in force and returns what removes it. Where several rules fit a call, the first added wins.
func (f *Faults) Add(r Rule) (remove func()) {
	a := &activeRule{Rule: r, gone: make(chan struct{})}
	f.mu.Lock()
	f.rules = append(f.rules, a)
	f.mu.Unlock()
	return sync.OnceFunc(func() { f.remove(a) })
}

// On is Add for an effect on the next times calls of an endpoint; 0 times is until Clear.
func (f *Faults) On(at Endpoint, times int, e Effect) {
	f.Add(Rule{Endpoint: at, Times: times, Effect: e})
}

func (f *Faults) remove(a *activeRule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.rules {
		if r == a {
			f.rules = append(f.rules[:i:i], f.rules[i+1:]...)
			close(a.gone)
			return
		}
	}
}

// Clear removes every rule, releases hanging calls and turns every switch back.
func (f *Faults) Clear() {
	f.mu.Lock()
	for _, a := range f.rules {
		close(a.gone)
	}
	f.rules, f.moved, f.ahead, f.info = nil, "", 0, nil
	close(f.calm)
	f.calm = make(chan struct{})
	changed := len(f.hidden) > 0
	clear(f.hidden)
	clear(f.retiring)
	f.mu.Unlock()
	f.HideUsers(nil)
	f.SetKeepalive(0)
	f.SetViewAllUsers(true)
	if changed {
		f.o.schemaChanged()
	}
}

// ExpireSessions ends every session now.
func (f *Faults) ExpireSessions() {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.expireAllLocked()
}

// ExpireLocators ends every query locator now.
func (f *Faults) ExpireLocators() {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	for _, l := range f.o.locators {
		l.dead = true
	}
}

// HideField takes a field away from the API user, as field-level security does: describe leaves it out and queries
// that name it get INVALID_FIELD.
func (f *Faults) HideField(object, field string) { f.setHidden(object, field, true) }

// ShowField undoes HideField.
func (f *Faults) ShowField(object, field string) { f.setHidden(object, field, false) }

func (f *Faults) setHidden(object, field string, hide bool) {
	f.mu.Lock()
	if hide {
		f.hidden[fieldKey(object, field)] = true
	} else {
		delete(f.hidden, fieldKey(object, field))
	}
	f.mu.Unlock()
	f.o.schemaChanged()
}

func (f *Faults) hides(t *table, fd *field) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hidden) > 0 && f.hidden[fieldKey(t.name, fd.name)]
}

// HideUsers reduces what the API user can see: users for whom hide is true vanish from every answer. nil shows all.
func (f *Faults) HideUsers(hide func(u User) bool) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.live.hide = nil
	if hide != nil {
		f.o.live.hide = func(u *User) bool { return hide(*u) }
	}
}

// RetireVersion makes an API version, such as "62.0", answer 410 and vanish from the list.
func (f *Faults) RetireVersion(v string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retiring[strings.TrimPrefix(v, "v")] = true
}

func (f *Faults) retired(v string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.retiring[v]
}

// MoveInstance is the instance_url of tokens from now on; empty is the usual one.
func (f *Faults) MoveInstance(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = url
}

func (f *Faults) instanceURL() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moved
}

// SkewClock moves the Date header ahead of the org's clock, or behind it.
func (f *Faults) SkewClock(ahead time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ahead = ahead
}

func (f *Faults) skew() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ahead
}

// LimitInfoBursts is the header with the part that newer releases add, for SetLimitInfo.
func LimitInfoBursts(usual string) string { return usual + "; api-bursts=1/750" }

// LimitInfoPerApp is the header of an org with a quota per app.
func LimitInfoPerApp(usual string) string {
	return usual + "; per-app-api-usage=17/250(appName=sample-connected-app)"
}

// LimitInfoMissing leaves the header out.
func LimitInfoMissing(string) string { return "" }

// LimitInfoGarbage is a header nobody can read.
func LimitInfoGarbage(string) string { return "api-usage=many/??;=;;per-app" }

// SetLimitInfo rewrites the Sforce-Limit-Info header; an empty result leaves it out and nil restores the usual.
func (f *Faults) SetLimitInfo(rewrite func(usual string) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info = rewrite
}

func (f *Faults) limitInfo(usual string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.info == nil {
		return usual
	}
	return f.info(usual)
}

// pick finds the effect on a call, if any, and counts it.
func (f *Faults) pick(c *call) *Effect {
	return f.pickAt(func(r *Rule) bool {
		return (r.Endpoint == "" || r.Endpoint == c.kind) && (r.Contains == "" || c.contains(r.Contains))
	})
}

// pickAt finds the first rule in force that befits what happens, and counts those that do.
func (f *Faults) pickAt(fits func(r *Rule) bool) *Effect {
	f.mu.Lock()
	defer f.mu.Unlock()
	var chosen *Effect
	for _, a := range f.rules {
		if !fits(&a.Rule) {
			continue
		}
		a.seen++
		after := a.seen - max(a.From, 1)
		if chosen != nil || after < 0 || after%max(a.Every, 1) != 0 || a.Times > 0 && a.hit >= a.Times {
			continue
		}
		a.hit++
		e := a.Effect
		chosen = &e
		if e.Kind == Hang || e.Kind == HalfOpen {
			chosen.gone = a.gone
		}
	}
	return chosen
}

func (c *call) contains(s string) bool {
	return strings.Contains(c.path, s) || strings.Contains(c.param("q"), s) || strings.Contains(string(c.body), s)
}

// before does what happens before the call is looked at; done says that rep is the answer.
func (f *Faults) before(w http.ResponseWriter, r *http.Request, e *Effect) (rep *reply, done bool) {
	switch e.Kind {
	case ExpireSessions:
		f.ExpireSessions()
	case ExpireLocators:
		f.ExpireLocators()
	case Slow:
		t := time.NewTimer(e.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	case Hang:
		select {
		case <-e.gone:
		case <-r.Context().Done():
		}
		drop(w)
	case Drop:
		drop(w)
	case BadGateway:
		return htmlReply(http.StatusBadGateway, "502 Bad Gateway"), true
	case Throttled:
		return htmlReply(http.StatusTooManyRequests, "429 Too Many Requests"), true
	case TokenRefused:
		return oauthError(e.Code, e.Message), true
	case Unauthorized:
		return invalidSession().reply(), true
	default:
		if bad := e.refusal(); bad != nil {
			return bad.reply(), true
		}
	}
	return nil, false
}

// drop breaks the connection and ends the handler. A few bytes go out first: clients silently repeat a request that a
// kept-alive connection swallowed without a byte, and would not notice.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = conn.Write([]byte("HTTP/1.1 2")) // the client may have gone
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// refusal is the error body of the kinds that have one.
func (e *Effect) refusal() *apiError {
	switch e.Kind {
	case NotForREST:
		return &apiError{401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API"}
	case QuotaExceeded:
		return &apiError{403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."}
	case TooManyConcurrent:
		return &apiError{403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}
	case NoAccess:
		return &apiError{403, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id"}
	case APIDisabled:
		return &apiError{403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."}
	case ServerError:
		return &apiError{
			500, "UNKNOWN_EXCEPTION",
			"An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1234567890)",
		}
	case Unavailable:
		return &apiError{503, "SERVER_UNAVAILABLE", "We are down for maintenance."}
	case TimedOut:
		return &apiError{400, "QUERY_TIMEOUT", "Your query request was running for too long."}
	case Status:
		return &apiError{e.Status, e.Code, e.Message}
	default:
		return nil
	}
}

// after changes the answer of the handler.
func (e *Effect) after(rep *reply) *reply {
	switch e.Kind {
	case EmptyBody:
		rep.body = nil
	case CutBody:
		rep.body = rep.body[:e.kept(len(rep.body))]
	}
	return rep
}

// kept is how much of a body of n bytes goes out.
func (e *Effect) kept(n int) int {
	if e.N > 0 {
		return min(e.N, n)
	}
	return n / 2
}

// truncates is how many of n bytes go out before the connection breaks.
func (e *Effect) truncates(n int) (kept int, ok bool) {
	if e == nil || e.Kind != Truncate {
		return n, false
	}
	return e.kept(n), true
}

// String names an effect for messages.
func (e Effect) String() string {
	if e.N > 0 {
		return string(e.Kind) + " " + strconv.Itoa(e.N)
	}
	return string(e.Kind)
}
