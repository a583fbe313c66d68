package simorg

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// apiError is one refusal in Salesforce's words.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// reply is an answer before faults have had their way with it.
type reply struct {
	status int
	ctype  string // default application/json;charset=UTF-8
	header http.Header
	body   []byte
	limits bool                    // carries Sforce-Limit-Info
	pooled *buffer                 // goes back to Org.bodies once body is written
	stream func(w io.Writer) error // writes the body instead, as often as it is called
}

func (e *apiError) reply() *reply { return e.withFields() }

func (e *apiError) withFields(fields ...string) *reply {
	b := append([]byte(`[{"message":`), appendString(nil, e.message)...)
	b = append(b, `,"errorCode":`...)
	b = appendString(b, e.code)
	if len(fields) > 0 {
		b = append(b, `,"fields":`...)
		j, _ := json.Marshal(fields) // strings always encode
		b = append(b, j...)
	}
	return &reply{status: e.status, body: append(b, "}]"...), limits: true}
}

func jsonReply(status int, v any) *reply {
	b, err := json.Marshal(v)
	if err != nil {
		panic("simorg: encode an answer of our own: " + err.Error())
	}
	return &reply{status: status, body: b, limits: true}
}

func (r *reply) with(key, val string) *reply {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(key, val)
	return r
}

func notFound() *apiError {
	return &apiError{http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"}
}

func invalidSession() *apiError {
	return &apiError{http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid"}
}

func htmlReply(status int, title string) *reply {
	return &reply{
		status: status, ctype: "text/html; charset=utf-8",
		body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"),
	}
}
