package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	maxBody     = 1 << 20          // bytes of a request: 2,000 ids of 18 characters are 42 KiB
	maxUpload   = 64 << 20         // bytes of a request, whatever it is for
	requestTime = 60 * time.Second // to read a request, and to answer it; streams excepted
)

// adapter is humago with paths like /v1/runs/{id}:cancel, which ServeMux does
// not take: a wildcard must be a whole segment there.
type adapter struct {
	huma.Adapter
	mux     *http.ServeMux
	actions map[string]map[string]http.HandlerFunc // pattern without the action, then action
}

func newAdapter(mux *http.ServeMux) *adapter {
	return &adapter{humago.NewAdapter(mux, ""), mux, map[string]map[string]http.HandlerFunc{}}
}

// Handle registers an operation.
func (a *adapter) Handle(op *huma.Operation, h func(huma.Context)) {
	path, action, ok := strings.Cut(op.Path, "}:")
	if !ok {
		a.Adapter.Handle(op, h)
		return
	}
	pattern := op.Method + " " + path + "}"
	if a.actions[pattern] == nil {
		a.actions[pattern] = map[string]http.HandlerFunc{}
		a.mux.HandleFunc(pattern, a.dispatch(pattern, path[strings.LastIndex(path, "{")+1:]))
	}
	a.actions[pattern][action] = func(w http.ResponseWriter, r *http.Request) {
		h(humago.NewContext(op, r, w))
	}
}

// dispatch takes the action off the wildcard. The last colon counts, so that
// what is named may hold colons.
func (a *adapter) dispatch(pattern, wildcard string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value := r.PathValue(wildcard)
		if i := strings.LastIndexByte(value, ':'); i > 0 {
			if h := a.actions[pattern][value[i+1:]]; h != nil {
				r.SetPathValue(wildcard, value[:i])
				h(w, r)
				return
			}
		}
		noRoute(r).write(w)
	}
}

func noRoute(r *http.Request) *Problem {
	return newProblem(http.StatusNotFound, CodeNotFound, "there is nothing at "+r.URL.Path, "the API is described at /openapi.json")
}

// fallback answers what no route claims: with the methods that are allowed
// when only the method is wrong, else with the pages.
func (s *Server) fallback(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && method != r.Method {
			allowed = append(allowed, method)
		}
	}
	switch {
	case len(allowed) > 0:
		p := newProblem(http.StatusMethodNotAllowed, CodeMethod, r.Method+" is not possible here", "possible: "+strings.Join(allowed, ", "))
		p.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
		p.write(w)
	case s.o.Pages != nil && !strings.HasPrefix(r.URL.Path, "/v1/"):
		s.o.Pages.ServeHTTP(w, r)
	default:
		noRoute(r).write(w)
	}
}

// call is what a handler knows beside its input.
type call struct {
	Caller
	name string // of the org
	Org
}

// InOrg is embedded in the input of every operation that concerns one org. The
// framework fills exported fields only, embedded ones too.
type InOrg struct {
	OrgName string `query:"org" doc:"name of the org; may be left out when there is one"`
}

func (o InOrg) orgName() string { return o.OrgName }

// handle registers an operation for callers of at least a role. An operation
// whose input embeds InOrg gets that org.
func handle[I, O any](s *Server, need Role, op huma.Operation, h func(context.Context, call, *I) (*O, error)) {
	s.needs[op.OperationID] = need
	op.BodyReadTimeout = requestTime
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	op.Security = []map[string][]string{{"token": {}}}
	needs := "Needs the role " + string(need) + " or a higher one."
	switch need {
	case Dialer:
		needs = "Needs the role dialer or admin."
	case anyone:
		needs, op.Security = "Needs no token.", []map[string][]string{{}}
	}
	op.Description = strings.TrimSpace(op.Description + "\n\n" + needs)
	op.Responses = describeErrors(s.api, op.Responses)
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		if c := callerOf(ctx.Context()); need != anyone && !c.Role.May(need) {
			_, w := humago.Unwrap(ctx)
			forbidden(c, need).write(w)
			return
		}
		next(ctx)
	})
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		c := call{Caller: callerOf(ctx)}
		if o, ok := any(in).(interface{ orgName() string }); ok {
			name, err := s.pick(o.orgName())
			if err != nil {
				return nil, err
			}
			c.name, c.Org = name, s.o.Orgs[name]
		}
		if err := c.limit(ctx, op.OperationID, in); err != nil {
			return nil, s.answer(ctx, op.OperationID, c.name, err)
		}
		out, err := h(ctx, c, in)
		if err != nil {
			return nil, s.answer(ctx, op.OperationID, c.name, err)
		}
		return out, nil
	})
}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey).(Caller)
	return c
}

// answer logs what is our fault and turns every error into a problem.
func (s *Server) answer(ctx context.Context, op, org string, err error) error {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && p.Code != CodeStandby && p.Code != CodeUnavailable && !errors.Is(ctx.Err(), context.Canceled) {
		s.log.Error("control request not answered", "verb", op, "org", org, "err", err)
	}
	return p
}

// pick finds the org that a request means.
func (s *Server) pick(name string) (string, error) {
	names := "the orgs are " + strings.Join(s.orgs, ", ")
	switch {
	case name == "" && len(s.orgs) == 1:
		return s.orgs[0], nil
	case name == "":
		return "", invalid("there are several orgs: say which", names+"; name one with ?org=, or --org")
	case !slices.Contains(s.orgs, name):
		return "", newProblem(http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no org %q", name), names)
	}
	return name, nil
}
