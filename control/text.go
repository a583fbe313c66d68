package control

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// errNUL says why a body is refused. The databases differ over such a text: one
// takes it, the other does not.
var errNUL = errors.New("a text holds the character NUL")

// wellFormed refuses addresses with text that no database would take.
func wellFormed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.QueryUnescape(r.URL.RawQuery)
		if text := r.URL.Path + query; err != nil || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			newProblem(http.StatusBadRequest, CodeInvalid, "the address holds text that is not UTF-8, or the character NUL", "").write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// refuseNUL has a format refuse bodies with a NUL in a text. Text that is not
// UTF-8 is mended by the format itself.
func refuseNUL(f huma.Format) huma.Format {
	read := f.Unmarshal
	f.Unmarshal = func(data []byte, v any) error {
		if bytes.Contains(data, []byte(`\u0000`)) {
			return errNUL
		}
		return read(data, v)
	}
	return f
}
