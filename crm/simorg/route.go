package simorg

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// route is one resource: * in its pattern stands for one path segment.
type route struct {
	pattern string // below /services/data/vXX.X, or absolute
	methods []string
	kind    Endpoint
	session bool
	handle  func(c *call) *reply
	inner   bool // allowed inside composite requests
	heavy   bool // one of at most five queries and collections of a composite request
}

// routes are searched in order.
func routes() []*route {
	get := []string{http.MethodGet, http.MethodHead}
	post := []string{http.MethodPost}
	return append(bulkRoutes(), []*route{
		{"/services/oauth2/token", nil, Token, false, (*call).token, false, false},
		{"/services/oauth2/userinfo", []string{http.MethodGet, http.MethodPost}, UserInfo, false, (*call).userinfo, false, false},
		{"/services/oauth2/introspect", post, Introspect, false, (*call).introspect, false, false},
		{"/services/oauth2/revoke", []string{http.MethodPost, http.MethodGet}, Revoke, false, (*call).revoke, false, false},
		{"/services/Soap/u/*", post, SOAP, false, (*call).soap, false, false},
		{"/services/data", get, Versions, false, (*call).versions, false, false},
		{"", get, Resources, true, (*call).resources, false, false},
		{"/limits", get, Limits, true, (*call).limits, true, false},
		{"/query", get, Query, true, (*call).query, true, true},
		{"/queryAll", get, Query, true, (*call).query, true, true},
		{"/query/*", get, QueryMore, true, (*call).queryMore, true, true},
		{"/queryAll/*", get, QueryMore, true, (*call).queryMore, true, true},
		{"/event/eventSchema/*", get, EventSchema, true, (*call).eventSchemaByID, true, false},
		{"/sobjects/*/eventSchema", get, EventSchema, true, (*call).eventSchemaOf, true, false},
		{"/sobjects/*/describe", get, Describe, true, (*call).describe, true, false},
		{"/sobjects/*/updated", get, Updated, true, (*call).updated, true, false},
		{"/sobjects/*/deleted", get, Deleted, true, (*call).deleted, true, false},
		{"/sobjects/*/*", get, Record, true, (*call).record, true, false},
		{"/sobjects/*/*", []string{http.MethodPatch}, RecordUpdate, true, (*call).recordUpdate, true, false},
		{"/sobjects/*/*", []string{http.MethodDelete}, RecordUpdate, true, (*call).recordDelete, true, false},
		{"/sobjects/*", post, RecordCreate, true, (*call).recordCreate, true, false},
		{"/composite", post, Composite, true, (*call).composite, false, false},
		{"/composite/batch", post, Batch, true, (*call).batch, false, false},
		{"/composite/sobjects/*", []string{http.MethodPost, http.MethodGet}, Collections, true, (*call).collections, true, true},
	}...)
}

// route finds the resource of a call, or the refusal of a path, version or method that does not exist. It fills in
// kind, version and args.
func (o *Org) route(c *call) (*route, *reply) {
	c.kind = Unknown
	if strings.Contains(c.path, "//") {
		return nil, notFound().reply()
	}
	p := strings.TrimSuffix(c.path, "/")
	rest, data := strings.CutPrefix(p, "/services/data/")
	if data {
		v, below, _ := strings.Cut(rest, "/")
		p = ""
		if below != "" {
			p = "/" + below
		}
		c.version = strings.TrimPrefix(v, "v")
		if !strings.HasPrefix(v, "v") {
			return nil, notFound().reply()
		}
	}
	var allowed []string
	var found *route
	for _, rt := range o.routes {
		args, ok := matchPath(rt.pattern, p)
		if !ok || data == strings.HasPrefix(rt.pattern, "/services") {
			continue
		}
		allowed = append(allowed, rt.methods...)
		if rt.methods == nil || slices.Contains(rt.methods, c.method) {
			found, c.kind, c.args = rt, rt.kind, args
			break
		}
	}
	switch {
	case found == nil && allowed == nil:
		return nil, notFound().reply()
	case data && o.refusedVersion(c.version) != nil:
		return nil, o.refusedVersion(c.version).reply()
	case found == nil:
		return nil, (&apiError{
			http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
			"HTTP Method '" + c.method + "' not allowed. Allowed are " + strings.Join(allowed, ","),
		}).reply().with("Allow", strings.Join(allowed, ", "))
	case data && o.opt.LoginHost != "" && c.req.Host == o.opt.LoginHost:
		return nil, notFound().reply() // the login host holds no data
	}
	return found, nil
}

func matchPath(pattern, p string) (args []string, ok bool) {
	ps, ss := strings.Split(pattern, "/"), strings.Split(p, "/")
	if len(ps) != len(ss) {
		return nil, false
	}
	for i := range ps {
		switch {
		case ps[i] == "*" && ss[i] != "":
			args = append(args, ss[i])
		case !strings.EqualFold(ps[i], ss[i]):
			return nil, false
		}
	}
	return args, true
}

// refusedVersion says why an API version cannot be used, or nil.
func (o *Org) refusedVersion(v string) *apiError {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !strings.HasSuffix(v, ".0") {
		return notFound()
	}
	if o.faults.retired(v) || n < 31 {
		return &apiError{http.StatusGone, "GONE", "The requested resource is no longer available: API version " + v + " has been retired"}
	}
	if !slices.Contains(o.opt.APIVersions, v) {
		return notFound()
	}
	return nil
}

func (c *call) versions() *reply {
	type version struct {
		Label   string `json:"label"`
		URL     string `json:"url"`
		Version string `json:"version"`
	}
	list := []version{}
	for _, v := range c.o.opt.APIVersions {
		if c.o.faults.retired(v) {
			continue
		}
		list = append(list, version{releaseName(v), "/services/data/v" + v, v})
	}
	rep := jsonReply(http.StatusOK, list)
	rep.limits = false
	return rep
}

// deprecated reports whether a version still works but is announced to go: 31.0 to 40.0.
func deprecated(v string) bool {
	n, err := strconv.ParseFloat(v, 64)
	return err == nil && n >= 31 && n <= 40
}

// releaseName names the release of a version: 65.0 is Winter '26, and three follow each year.
func releaseName(v string) string {
	major, _, _ := strings.Cut(v, ".")
	n, _ := strconv.Atoi(major) // versions of Options are numbers
	since := n + 1              // of Winter '04, counted back from 65
	season := [...]string{"Winter", "Spring", "Summer"}[since%3]
	return season + " '" + strconv.Itoa(since/3 + 4)[:]
}

func (c *call) resources() *reply {
	base := "/services/data/v" + c.version + "/"
	m := map[string]string{}
	for _, name := range []string{"sobjects", "query", "queryAll", "limits", "composite"} {
		m[name] = base + name
	}
	return jsonReply(http.StatusOK, m)
}
