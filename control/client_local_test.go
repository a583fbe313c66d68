package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
)

func TestLocalClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{})
		h := http.NewServeMux()
		h.HandleFunc("GET /v1/me", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret" || r.URL.Query().Get("org") != "acme" {
				unauthorized("no", "").write(w)
				return
			}
			_, _ = w.Write([]byte(`{"name":"ann","role":"viewer"}`))
		})
		h.HandleFunc("GET /v1/runs/7/events", func(w http.ResponseWriter, r *http.Request) {
			defer close(left)
			_, _ = w.Write([]byte("event: run\ndata: {\"id\":7,\"outcome\":\"running\"}\n\n"))
			<-r.Context().Done()
		})
		h.HandleFunc("GET /v1/status", func(http.ResponseWriter, *http.Request) { panic("a bug") })

		c := NewLocalClient(h, "secret", "acme")
		if me, err := c.Me(t.Context()); err != nil || me.Name != "ann" {
			t.Errorf("me is %+v, %v", me, err)
		}
		_, err := NewLocalClient(h, "wrong", "acme").Me(t.Context())
		if p, ok := errors.AsType[*Problem](err); !ok || p.Code != CodeUnauthorized {
			t.Errorf("a wrong token gets %v", err)
		}
		if _, err := c.Status(t.Context()); err == nil {
			t.Error("a handler that panics gives an answer")
		}
		seen := 0
		for run, err := range c.Watch(t.Context(), 7) { // the first event is read while the handler still runs
			seen++
			if err != nil || run.ID != 7 {
				t.Errorf("watch yields %+v, %v", run, err)
			}
			break
		}
		<-left // and the handler ends when nobody reads on
		if seen != 1 {
			t.Errorf("%d events, want 1", seen)
		}

		for _, begin := range []string{"", "{"} { // given up before the answer and in the middle of it
			ctx, cancel := context.WithCancel(t.Context())
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(begin))
				cancel()
			})
			if _, err := NewLocalClient(h, "secret", "acme").Quota(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a request that was given up after %q ends with %v", begin, err)
			}
		}
	})
}

var _ io.ReadCloser = localBody{}
