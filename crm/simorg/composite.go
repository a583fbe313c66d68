package simorg

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxParts      = 25
	maxHeavyParts = 5
)

// part is one request inside a composite or batch request.
type part struct {
	Method      string          `json:"method"`
	URL         string          `json:"url"`
	ReferenceID string          `json:"referenceId"`
	Body        json.RawMessage `json:"body"`
	RichInput   json.RawMessage `json:"richInput"`
}

// inner prepares the call of a part, or its refusal.
func (c *call) part(p part) (*call, *route, *reply) {
	u, err := url.Parse(p.URL)
	if err != nil || u.IsAbs() {
		return nil, nil, notFound().reply()
	}
	path := u.Path
	if !strings.HasPrefix(path, "/services/data/") {
		path = "/services/data/" + strings.TrimPrefix(path, "/")
	}
	in := &call{
		o: c.o, req: c.req, method: strings.ToUpper(p.Method), path: path, params: u.Query(), body: p.Body, sess: c.sess, inner: true,
	}
	if c.fault != nil && c.fault.Kind == ShortPage {
		in.fault = c.fault
	}
	rt, bad := c.o.route(in)
	if bad == nil && !rt.inner {
		bad = (&apiError{400, "INVALID_INPUT", "the resource is not supported in composite requests: " + u.Path}).reply()
	}
	return in, rt, bad
}

func (c *call) composite() *reply {
	var in struct {
		AllOrNone        bool   `json:"allOrNone"`
		CompositeRequest []part `json:"compositeRequest"`
	}
	if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	if bad := c.checkParts(in.CompositeRequest, true); bad != nil {
		return bad.reply()
	}
	// By hand, for the bodies are pages: a marshaller would read every byte of them again.
	b := []byte(`{"compositeResponse":[`)
	for i, p := range in.CompositeRequest {
		if i > 0 {
			b = append(b, ',')
		}
		rep := c.run(p)
		b = append(append(b, `{"body":`...), embed(rep)...)
		b = fmt.Appendf(b, `,"httpHeaders":{},"httpStatusCode":%d,"referenceId":`, rep.status)
		b = append(appendString(b, p.ReferenceID), '}')
		c.o.recycle(rep)
	}
	return &reply{status: http.StatusOK, body: append(b, "]}"...), limits: true}
}

func (c *call) batch() *reply {
	var in struct {
		BatchRequests []part `json:"batchRequests"`
	}
	if bad := c.jsonBody(&in); bad != nil {
		return bad.reply()
	}
	if bad := c.checkParts(in.BatchRequests, false); bad != nil {
		return bad.reply()
	}
	type answer struct {
		Status int             `json:"statusCode"`
		Result json.RawMessage `json:"result"`
	}
	out := make([]answer, len(in.BatchRequests))
	failed := false
	for i, p := range in.BatchRequests {
		if len(p.Body) == 0 {
			p.Body = p.RichInput
		}
		rep := c.run(p)
		failed = failed || rep.status >= 400
		out[i] = answer{rep.status, embed(rep)}
	}
	return jsonReply(http.StatusOK, map[string]any{"hasErrors": failed, "results": out})
}

func embed(rep *reply) json.RawMessage {
	if len(rep.body) == 0 {
		return json.RawMessage("null")
	}
	return rep.body
}

func (c *call) run(p part) *reply {
	in, rt, bad := c.part(p)
	if bad != nil {
		return bad
	}
	return rt.handle(in)
}

// checkParts holds the limits of the whole request.
func (c *call) checkParts(parts []part, references bool) *apiError {
	if len(parts) == 0 || len(parts) > maxParts {
		return &apiError{400, "INVALID_INPUT", "The number of subrequests must be between 1 and 25, but is " + itoa(len(parts))}
	}
	heavy := 0
	seen := map[string]bool{}
	for _, p := range parts {
		if references && (p.ReferenceID == "" || seen[p.ReferenceID]) {
			return &apiError{400, "INVALID_INPUT", "Each subrequest needs a referenceId of its own: '" + p.ReferenceID + "'"}
		}
		seen[p.ReferenceID] = true
		if _, rt, bad := c.part(p); bad == nil && rt.heavy {
			heavy++
		}
	}
	if references && heavy > maxHeavyParts {
		return &apiError{400, "LIMIT_EXCEEDED", "Composite requests can hold at most 5 query and collection subrequests, this one holds " + itoa(heavy)}
	}
	return nil
}
