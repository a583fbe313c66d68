package crm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// maxErrorBody bounds what is read of an answer that is an error.
const maxErrorBody = 64 << 10

// readAPIError reads what an error answer says. The body can be read again after.
func readAPIError(op string, resp *http.Response) *APIError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what was cut short still says its status
	// The network's body is closed now, so that the connection and its slot are free
	// while the caller thinks.
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	e := &APIError{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	e.Code, e.Message = parseErrorBody(body)
	return e
}

type errorBody struct {
	Message   string `json:"message"`
	ErrorCode string `json:"errorCode"`
}

var (
	xmlCode  = regexp.MustCompile(`<(?:\w+:)?(?:errorCode|exceptionCode)>([A-Za-z_]+)<`)
	codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,63}$`)
)

// parseErrorBody finds the errorCode in an array of errors, one error alone, or XML.
// An empty body, an empty array and a web page have none.
func parseErrorBody(body []byte) (code, message string) {
	body = bytes.TrimSpace(body)
	var found errorBody
	switch {
	case len(body) == 0:
	case body[0] == '[':
		var list []errorBody
		if json.Unmarshal(body, &list) == nil && len(list) > 0 {
			found = list[0]
		}
	case body[0] == '{':
		_ = json.Unmarshal(body, &found) // what does not parse has no code
	case body[0] == '<':
		if m := xmlCode.FindSubmatch(body); m != nil {
			found.ErrorCode = string(m[1])
		}
	}
	if found.ErrorCode == "InvalidSessionId" {
		found.ErrorCode = "INVALID_SESSION_ID"
	}
	if !codeForm.MatchString(found.ErrorCode) {
		return "", ""
	}
	return found.ErrorCode, scrub(found.ErrorCode, found.Message)
}

// plainCodes have messages of fixed text.
var plainCodes = map[string]bool{
	codeRequestLimit: true, "INVALID_SESSION_ID": true, "API_DISABLED_FOR_ORG": true, "API_CURRENTLY_DISABLED": true,
	"SERVER_UNAVAILABLE": true, "QUERY_TIMEOUT": true, "NOT_FOUND": true, "GONE": true, "INSUFFICIENT_ACCESS": true,
	"FUNCTIONALITY_NOT_ENABLED": true, "INVALID_QUERY_LOCATOR": true, "NUMBER_OUTSIDE_VALID_RANGE": true,
	"FEATURENOTENABLED": true, "EXCEEDEDQUOTA": true, "INVALIDJOB": true, "INVALIDJOBSTATE": true, "INVALIDENTITY": true,
	"METHOD_NOT_ALLOWED": true, "OPERATION_TOO_LARGE": true, "QUERY_TOO_COMPLICATED": true,
}

var (
	noColumn  = regexp.MustCompile(`No such column '([\w.]+)' on entity '(\w+)'`)
	noRelated = regexp.MustCompile(`Didn't understand relationship '(\w+)'`)
	noObject  = regexp.MustCompile(`sObject type '(\w+)' is not supported`)
	badToken  = regexp.MustCompile(`unexpected token: '?(\w{1,40})\b`)
	errorNo   = regexp.MustCompile(`ErrorId[^:]*: ([\d-]+ \(-?\d+\))`)
)

// scrub keeps of a message what cannot be about a person: fixed texts, and the names
// of fields and objects. The rest may quote the query, and with it its values.
func scrub(code, message string) string {
	if plainCodes[code] && !strings.ContainsAny(message, "@\n") && len(message) <= 200 {
		return message
	}
	if m := noColumn.FindStringSubmatch(message); m != nil {
		return "no such column " + m[1] + " on " + m[2]
	}
	if m := noRelated.FindStringSubmatch(message); m != nil {
		return "no such relationship " + m[1]
	}
	if m := noObject.FindStringSubmatch(message); m != nil {
		return "object " + m[1] + " is not readable"
	}
	if m := badToken.FindStringSubmatch(message); m != nil && code == "MALFORMED_QUERY" {
		return "unexpected token " + m[1]
	}
	if m := errorNo.FindStringSubmatch(message); m != nil {
		return "error id " + m[1]
	}
	return ""
}
