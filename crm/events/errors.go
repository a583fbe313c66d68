package events

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Reason is why there is no stream, as a closed set for labels.
type Reason string

// The reasons.
const (
	ReasonClosed     Reason = "closed"     // Salesforce ended it cleanly
	ReasonNetwork    Reason = "network"    // no answer, or an answer that no Pub/Sub API gives
	ReasonSilent     Reason = "silent"     // nothing arrived for longer than Salesforce ever is silent
	ReasonService    Reason = "service"    // an outage or a deployment of Salesforce
	ReasonThrottled  Reason = "throttled"  // too many streams or requests
	ReasonLogin      Reason = "login"      // no token
	ReasonAuth       Reason = "auth"       // the token is refused
	ReasonPermission Reason = "permission" // the integration user may not read the events
	ReasonTopic      Reason = "topic"      // there are no such events
	ReasonLimit      Reason = "limit"      // the org's delivery allocation is spent
	ReasonReplay     Reason = "replay"     // the position cannot be used any more
	ReasonProtocol   Reason = "protocol"   // Salesforce says that rosterd does it wrong
	ReasonStore      Reason = "store"      // what arrived cannot be written down
)

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonClosed, ReasonNetwork, ReasonSilent, ReasonService, ReasonThrottled, ReasonLogin, ReasonAuth, ReasonPermission,
		ReasonTopic, ReasonLimit, ReasonReplay, ReasonProtocol, ReasonStore,
	}
}

// Error is what Salesforce answered in place of events.
type Error struct {
	Code  string     // the part of error-code that tells them apart, such as topic.not.found; empty where there is none
	GRPC  codes.Code // of the call
	Text  string     // Salesforce's own words
	RPCID string     // names the call to Salesforce's support
	cause error
	unmet bool // no connection was made
}

// Error says what Salesforce said.
func (e *Error) Error() string {
	what := e.Code
	switch {
	case e.unmet:
		what = "no connection"
	case what == "":
		what = e.GRPC.String()
	}
	if e.Text != "" {
		what += ": " + e.Text
	}
	if e.RPCID != "" && !strings.Contains(what, e.RPCID) {
		what += " (rpc " + e.RPCID + ")"
	}
	return what
}

// Unwrap returns what the error was made of.
func (e *Error) Unwrap() error { return e.cause }

// Hint says what an operator can do.
func (e *Error) Hint() string { return e.verdict().hint }

// Retryable reports whether time alone may mend it.
func (e *Error) Retryable() bool {
	pace := e.verdict().pace
	return pace != paceSlow
}

const codePrefix = "sfdc.platform.eventbus.grpc."

// notText is what no error of Salesforce needs: it is taken out, so that none
// can play with a terminal or a log.
var notText = regexp.MustCompile(`[^\x20-\x7e]+`)

// errorOf reads how a call failed, by the trailer before the status.
func errorOf(err error, trailer metadata.MD) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	e := &Error{cause: err, GRPC: codes.Unknown}
	if s, ok := status.FromError(err); ok {
		e.GRPC, e.Text = s.Code(), notText.ReplaceAllString(s.Message(), " ")
	} else {
		e.Text = notText.ReplaceAllString(err.Error(), " ")
	}
	if m := unmetForm.FindStringSubmatch(e.Text); m != nil && e.GRPC == codes.Unavailable {
		e.Text, e.unmet = m[1], true
	}
	if len(e.Text) > 300 {
		e.Text = e.Text[:300] + "..."
	}
	if v := trailer.Get("error-code"); len(v) > 0 {
		e.Code = codeForm.FindString(strings.TrimPrefix(v[0], codePrefix))
	}
	if v := trailer.Get("rpc-id"); len(v) > 0 {
		e.RPCID = idForm.FindString(v[0])
	}
	return e
}

var (
	codeForm = regexp.MustCompile(`^[a-z.]{1,100}`)
	idForm   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}`)
	// unmetForm is how the library says that it could not connect.
	unmetForm = regexp.MustCompile(`^connection error: desc = "(?:transport: )?(?:Error while dialing: )?(.*)"$`)
)

// pace is how soon the next try is.
type pace int

const (
	paceSoon     pace = iota // with backoff from a second on
	paceService              // the same, five seconds at least
	paceThrottle             // from a minute on
	paceLimit                // from a quarter of an hour on
	paceSlow                 // only a person can mend it
	paceAuth                 // at once with another token, then slowly
	paceReplay               // at once, from now on
)

// verdict is what an error means.
type verdict struct {
	reason Reason
	pace   pace
	hint   string
}

const (
	hintPermission = "give the integration user \"View All Users\", or set changes: poll"
	hintTopic      = "select User in Setup, Change Data Capture, and give the integration user \"View All Users\"; or set changes: poll"
	hintAuth       = "check that the login host and pubsub_endpoint belong to the same Salesforce, and that the integration user has \"API Enabled\""
	hintConnection = "check pubsub_endpoint, that a firewall or proxy lets rosterd through to it, and ca_file where its certificate is not publicly trusted"
	hintBug        = "this is a mistake of rosterd: please report it with the rpc id, and set changes: poll meanwhile"
)

// verdicts are by Salesforce's code; the status decides where there is none.
var verdicts = map[string]verdict{
	"service.unavailable":                           {ReasonService, paceService, ""},
	"service.auth.error":                            {ReasonAuth, paceAuth, hintAuth},
	"service.auth.headers.invalid":                  {ReasonAuth, paceSlow, hintAuth},
	"service.auth.refresh.invalid":                  {ReasonAuth, paceSlow, hintAuth},
	"service.protection.triggered":                  {ReasonThrottled, paceThrottle, ""},
	"service.protection.stream.limit.triggered":     {ReasonThrottled, paceThrottle, ""},
	"service.tenant.license":                        {ReasonPermission, paceSlow, "the org has no license for the Pub/Sub API: set changes: poll"},
	"concurrent.client.limit.exceeded":              {ReasonThrottled, paceThrottle, "other programs follow this org's events, too: end some of them, or set changes: poll"},
	"topic.not.found":                               {ReasonTopic, paceSlow, hintTopic},
	"topic.meta.permission":                         {ReasonPermission, paceSlow, hintPermission},
	"schema.meta.permission":                        {ReasonPermission, paceSlow, hintPermission},
	"topic.api.unavailable":                         {ReasonService, paceService, ""},
	"schema.api.unavailable":                        {ReasonService, paceService, ""},
	"topic.validation.empty":                        {ReasonProtocol, paceSlow, hintBug},
	"schema.validation.failed":                      {ReasonProtocol, paceSlow, hintBug},
	"subscription.fetch.replayid.corrupted":         {ReasonReplay, paceReplay, ""},
	"subscription.fetch.replayid.validation.failed": {ReasonReplay, paceReplay, ""},
	"subscription.fetch.replay.repeated":            {ReasonProtocol, paceSlow, hintBug},
	"subscription.fetch.requested.events.invalid":   {ReasonProtocol, paceSlow, hintBug},
	"subscription.fetch.topic.mismatch":             {ReasonProtocol, paceSlow, hintBug},
	"subscription.fetch.request.invalid":            {ReasonProtocol, paceSlow, hintBug},
	"subscription.fetch.overflow":                   {ReasonThrottled, paceSoon, ""},
	"subscription.topic.cannot.subscribe":           {ReasonTopic, paceSlow, hintTopic},
	"subscription.limit.exceeded":                   {ReasonLimit, paceLimit, "the org's allocation of delivered events is spent for now: have fewer programs follow its events, or buy the add-on"},
	"subscription.internal.error":                   {ReasonService, paceService, ""},
}

// codeOverflow says that more was outstanding than Salesforce bears.
const codeOverflow = "subscription.fetch.overflow"

func (e *Error) verdict() verdict {
	if v, ok := verdicts[e.Code]; ok {
		return v
	}
	switch e.GRPC {
	case codes.Unauthenticated:
		return verdict{ReasonAuth, paceAuth, hintAuth}
	case codes.PermissionDenied:
		return verdict{ReasonPermission, paceSlow, hintPermission}
	case codes.NotFound:
		return verdict{ReasonTopic, paceSlow, hintTopic}
	case codes.ResourceExhausted:
		return verdict{ReasonThrottled, paceThrottle, ""}
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return verdict{ReasonProtocol, paceSlow, hintBug}
	case codes.Unimplemented:
		return verdict{ReasonProtocol, paceSlow, "what answers at pubsub_endpoint is not the Pub/Sub API"}
	case codes.Internal:
		return verdict{ReasonService, paceService, ""}
	}
	if e.unmet {
		return verdict{ReasonNetwork, paceSoon, hintConnection}
	}
	return verdict{ReasonNetwork, paceSoon, ""}
}

// failure is an end of the stream that is not Salesforce's answer.
type failure struct {
	verdict
	err error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// Hint says what an operator can do.
func (f *failure) Hint() string { return f.hint }

func fail(reason Reason, p pace, format string, args ...any) error {
	return &failure{verdict{reason, p, ""}, fmt.Errorf(format, args...)}
}

// judge says what an error means for the next try.
func judge(err error) verdict {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.verdict
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.verdict()
	}
	return verdict{ReasonClosed, paceSoon, ""} // the stream ended without a word
}
