package control

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// NewLocalClient makes a client of a handler in the same process, for a face of
// the daemon that speaks for people with a token: the console. It is refused
// what they are refused, and leaves the same trail.
func NewLocalClient(h http.Handler, token, org string) *Client {
	return &Client{
		http: &http.Client{Transport: localTransport{h}}, base: "http://localhost", where: "this process", token: token, org: org,
	}
}

// localTransport carries requests to a handler by calling it.
type localTransport struct{ h http.Handler }

// RoundTrip returns once the answer begins; its body is written while it is
// read, so that a stream of events is one here too.
func (t localTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.Host = r.URL.Host
	read, write := io.Pipe()
	w := &localWriter{header: http.Header{}, body: write, begun: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				_ = write.CloseWithError(errors.New("the handler ended early"))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		t.h.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		_ = write.CloseWithError(context.Cause(r.Context())) // what a handler leaves off when its caller gives up is no whole answer
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		cancel()
		_ = read.Close()
		return nil, ctx.Err()
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: localBody{read, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// localBody ends the request when nobody reads its answer any more.
type localBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b localBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// localWriter is the handler's side of an answer. What is written waits until
// it is read; there is nothing to flush and no deadline to set.
type localWriter struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	begun  chan struct{} // closed when status and sent are final
	status int
	sent   http.Header
}

func (w *localWriter) Header() http.Header { return w.header }

func (w *localWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, maps.Clone(w.header)
		close(w.begun)
	})
}

func (w *localWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *localWriter) FlushError() error                { return nil }
func (w *localWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *localWriter) SetWriteDeadline(time.Time) error { return nil }
